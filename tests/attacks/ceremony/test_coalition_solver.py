"""What linear algebra over the field gives t members who pool all that they have seen.

The system is that of a real ceremony, recorded: which rows cover each member's opening, from which
keys; which points of whose polynomials the coalition holds. Values play no part: a linear function
of what is unknown follows from the views if it lies in the span of their rows, whatever they say.
"""

import itertools
from collections.abc import Sequence
from functools import cache
from math import factorial

import pytest

from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.winner_steps import _polynomials
from tests.stage.ceremony.drawn import Record, drawn_in_a_ceremony
from tests.stage.ceremony.opened_key import runs_of
from tests.stage.ceremony.unmasked import with_fault
from tests.stage.elimination import rank, reduced
from tests.stage.toy import CeremonyTable, toy_federation

N, QUORUM = 5, 3
T = (N - 1) // 2
PRIME = (1 << 61) - 1
COALITIONS = list(itertools.combinations(range(1, N + 1), T))
Row = list[int]


def ceremony() -> tuple[CeremonyTable, Record]:
    return drawn_in_a_ceremony(toy_federation(N, QUORUM), "solver")


@cache
def honest() -> tuple[CeremonyTable, Record]:
    return ceremony()


def follows(target: Row, rows: Sequence[Row]) -> bool:
    """Whether the linear function ``target`` is determined by those of the rows."""
    return rank([*rows, target], PRIME) == rank(rows, PRIME)


# ── openings of products ──


def known_keys(
    record: Record, runs: dict[int, CeremonyRun], coalition: Sequence[int]
) -> set[bytes]:
    """The coalition's pairwise keys, and all that is derived from them."""
    found = set[bytes]()
    for i in coalition:
        found |= set(runs[i].keys_sent.values()) | set(runs[i].keys_received.values())
    return found | {key for key, parent in record.parents.items() if parent in found}


def derivable(found: tuple[CeremonyTable, Record], coalition: Sequence[int]) -> list[list[Row]]:
    """What the coalition can compute from all openings about honest members' products.

    A function for each row: its coefficients by opening and honest member.
    """
    table, record = found
    known = known_keys(record, runs_of(table), coalition)
    openings = sorted({labels for _, labels in record.masks}, key=str)
    others = [i for i in range(1, N + 1) if i not in coalition]
    unknown = sorted(
        {key for (i, _), mask in record.masks.items() if i in others for key, _ in mask} - known
    )
    place, rows = {key: k for k, key in enumerate(unknown)}, list[Row]()
    for o, i in itertools.product(range(len(openings)), range(len(others))):
        row = [0] * (len(unknown) + len(openings) * len(others))
        for key, sign in record.masks[others[i], openings[o]]:
            if key in place:
                row[place[key]] += sign
        row[len(unknown) + o * len(others) + i] = 1
        rows.append(row)
    _, free = reduced(rows, len(unknown), PRIME)
    size = len(others)
    return [[row[len(unknown) + o * size :][:size] for o in range(len(openings))] for row in free]


def shows_sums_alone(found: tuple[CeremonyTable, Record], coalition: Sequence[int]) -> bool:
    """Whether all that follows are the sums over all honest members, each opening's own."""
    functions = derivable(found, coalition)
    n_openings = len({labels for _, labels in found[1].masks})
    is_sum = all(len(set(part)) == 1 for function in functions for part in function)
    return is_sum and len(functions) == n_openings


@pytest.mark.parametrize("coalition", COALITIONS, ids=str)
def test_openings_show_t_members_the_sum_of_the_honest_products_and_nothing_else(coalition):
    assert shows_sums_alone(honest(), coalition)


def test_the_openings_are_those_of_the_whole_ceremony():
    table, record = honest()
    run = runs_of(table)[1]
    openings = {labels for _, labels in record.masks}
    moduli = {("moduli", b, c) for b in range(run.batch.number + 1) for c in range(N)}
    assert openings == moduli | {("theta", run.batch.number, run.the_winner.number)}
    assert len(record.masks) == N * len(openings)


@pytest.mark.parametrize(
    "fault",
    [
        "no zero sharing",
        pytest.param("one pairwise key for all", marks=pytest.mark.slow),
        pytest.param("one label for all classes", marks=pytest.mark.slow),
    ],
)
def test_the_solver_sees_more_where_products_are_not_covered_as_they_should_be(fault):
    with with_fault(fault):
        found = ceremony()
    assert not any(shows_sums_alone(found, coalition) for coalition in COALITIONS)


# ── points of polynomials, and D ──


def powers(point: int, length: int) -> Row:
    return [pow(point, k, PRIME) for k in range(length)]


def lengths(table: CeremonyTable, dealer: int) -> dict[str, int]:
    """Coefficients of a winner's dealer's polynomials, as it has drawn them."""
    run = runs_of(table)[dealer]
    winner = run.the_winner.number
    step = StepId("winner", run.batch.number, winner)
    dealt = run.batch.dealings[run.layout.class_of(winner)].polynomials
    exponent, mask, blind = _polynomials(run, step)
    return {
        "p": len(dealt[0]), "q": len(dealt[1]), "x": len(exponent), "β": len(mask), "R": len(blind)
    }  # fmt: skip


class System:
    """Unknown: all coefficients of the polynomials of the winner's dealers outside a coalition."""

    def __init__(self, table: CeremonyTable, coalition: Sequence[int]) -> None:
        run = runs_of(table)[1]
        dealers = run.layout.dealers(run.layout.class_of(run.the_winner.number))
        self.lead, self.honest = dealers[0], [i for i in dealers if i not in coalition]
        self.lengths = {i: lengths(table, i) for i in self.honest}
        self.size = sum(sum(found.values()) for found in self.lengths.values())
        self.rows = [
            self.at(j, {(i, name): 1})
            for i in self.honest
            for name in self.lengths[i]
            for j in coalition
        ]

    def at(self, point: int, weights: dict[tuple[int, str], int]) -> Row:
        """A combination of the polynomials' values at a point."""
        row: Row = []
        for i in self.honest:
            for name, length in self.lengths[i].items():
                row += [weights.get((i, name), 0) * x % PRIME for x in powers(point, length)]
        return row

    def deviation(self, point: int) -> Row:
        """D(j), but for what is known."""
        delta, weights = factorial(N), dict[tuple[int, str], int]()
        for i in self.honest:
            sign = 1 if i == self.lead else -1
            weights |= {(i, "p"): -delta, (i, "q"): -delta, (i, "x"): -4 * sign}
        return self.at(point, weights)


@pytest.mark.parametrize("coalition", COALITIONS, ids=str)
def test_points_and_what_is_told_before_theta_show_t_members_no_honest_secret(coalition):
    system = System(honest()[0], coalition)
    told = [*system.rows, *(system.deviation(j) for j in range(1, N + 1))]
    assert system.honest, "one of t + 1 dealers is honest"
    for i in system.honest:
        for name in system.lengths[i]:
            assert not follows(system.at(0, {(i, name): 1}), told), (i, name)
    for name in ("p", "q", "x", "β", "R"):
        signs = {i: 1 if i == system.lead or name != "x" else -1 for i in system.honest}
        assert not follows(system.at(0, {(i, name): signs[i] for i in system.honest}), told), name
    assert follows(system.deviation(0), told), "that D is 0 at 0, which an honest run has anyway"


def test_one_member_more_determines_what_was_dealt():
    """The solver's own control."""
    table, _ = honest()
    system = System(table, COALITIONS[0])
    more = next(j for j in range(1, N + 1) if j not in COALITIONS[0])
    i = system.honest[0]
    told = [*system.rows, system.at(more, {(i, "p"): 1})]
    assert follows(system.at(0, {(i, "p"): 1}), told)
    assert not follows(system.at(0, {(i, "q"): 1}), told)
