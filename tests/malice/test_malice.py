"""What a malicious aggregator learns; and that a rule is missed which hospitals leave out."""

from __future__ import annotations

import pytest

from tests.malice.aggregator import Aggregator
from tests.malice.consortium import consortium
from tests.malice.machine import Course, MaliciousAggregator
from tests.malice.oracle import Violation, alone, rank, smallest_support
from tests.malice.planted import RULES, without
from tests.malice.reading import check_reading
from tests.malice.run import Tally, play

M = b"m"
WITHIN = 800  # sequences


def row(*members: int) -> dict[tuple[int, bytes], int]:
    return {(member, M): 1 for member in members}


# ── the oracle ──


def test_the_oracle_subtracts_sums():
    assert alone([row(1, 2, 3), row(1, 2)]) == (3, M)
    assert alone([row(1, 2, 3), row(1, 4, 5), row(2, 3, 4, 5)]) == (1, M)
    assert alone([row(1, 2, 3), row(1, 4, 5)]) is None
    assert smallest_support([row(1, 2, 3), row(1, 2, 4)], 2) == ((3, M), (4, M))


def test_the_oracle_counts_multiplicities_and_models():
    assert alone([{(1, M): 2, (2, M): 1}, row(1, 2)]) == (1, M)
    other = {(member, b"o"): 1 for member in (1, 2)}
    assert alone([row(1, 2, 3), other]) is None
    assert rank([row(1, 2), row(1, 2), other], sorted({*row(1, 2), *other})) == 2


def course(steps: int, without_mask: int = 0, spoils: bool = False) -> Course:
    return Course(steps, 0, without_mask, spoils)


def begun(n: int = 5, quorum: int = 3) -> MaliciousAggregator:
    machine = MaliciousAggregator()
    machine.begin(consortium(n, quorum), frozenset({n}))
    return machine


@pytest.mark.parametrize(("n", "quorum"), [(4, 2), (5, 3), (6, 4)])
def test_what_is_called_open_decrypts_to_the_sum_of_the_contributions(n, quorum):
    machine = begun(n, quorum)
    machine.go_on(course(4))
    a: Aggregator = machine.a
    assert len(a.knowledge.opened) == 1
    check_reading(a, next(iter(a.knowledge.opened)))
    assert all(hospital.finished == 1 for hospital in a.hospitals.values())


def test_a_void_round_is_not_repeated_over_nearly_the_same_hospitals():
    machine = begun()
    machine.go_on(course(4, spoils=True))
    a: Aggregator = machine.a
    assert len(a.models) == 1
    machine.go_on(course(4, without_mask=1))
    assert {getattr(h.failure, "rule", "") for h in a.hospitals.values()} == {"differencing"}
    assert len(a.models) == len(a.knowledge.opened) == 1


def test_the_same_moves_isolate_a_hospital_where_the_rule_is_left_out():
    with without("differencing"):
        machine = begun()
        machine.go_on(course(4, spoils=True))
        with pytest.raises(Violation, match="the update of member 1 alone"):
            machine.go_on(course(4, without_mask=1))


# ── the machine ──


def test_some_sequences_teach_the_aggregator_nothing():
    tally = Tally()
    play(50, first=1, tally=tally)
    assert tally.sequences >= 50
    assert tally.opened


@pytest.mark.slow
def test_two_thousand_sequences_teach_the_aggregator_nothing():
    tally = Tally()
    play(2_000, tally=tally)
    print(tally)
    assert tally.sequences >= 2_000
    assert tally.opened >= 1_000  # or they were too shallow to mean anything
    reached = {"one-set", "differencing", "min-contributors", "recomputed-sum", "contributors"}
    assert reached | {"proof-of-plaintext"} <= set(tally.stopped)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_hospitals_leave_out_is_found(rule):
    with without(rule), pytest.raises(Violation):
        play(WITHIN)
