"""Every secret draw of a whole ceremony: its label, its range, and that it is used once.

The table is that of docs/how-it-works/ceremony.md, in its own words and numbers: nothing in it is
taken from the code that draws.
"""

import itertools
from collections.abc import Callable
from functools import cache
from math import factorial

import pytest
from gmpy2 import mpz

from tests.stage.ceremony.drawn import Draw, Path, Record, drawn_in_a_ceremony
from tests.stage.ceremony.opened_key import runs_of
from tests.stage.ceremony.small_ceremony import QUORUM, N, federation, with_two_batches
from tests.stage.ceremony.unmasked import FAULTS, with_fault
from tests.stage.toy import CeremonyTable

Check = Callable[[CeremonyTable, Record], None]
T = (N - 1) // 2
K = mpz(1) << 128  # κ = 128
DELTA = factorial(N)
EVERYONE = range(1, N + 1)


def whole_ceremony() -> tuple[CeremonyTable, Record]:
    """One with two batches, so that the same step comes twice."""
    return drawn_in_a_ceremony(federation(), two_batches_label())


@cache
def two_batches_label() -> str:
    seeds = with_two_batches().seeds
    for number in range(100):
        if CeremonyTable(federation(), f"ceremony {number}").seeds == seeds:
            return f"ceremony {number}"
    raise AssertionError


@cache
def honest() -> tuple[CeremonyTable, Record]:
    return whole_ceremony()


class Told:
    """What the whole ceremony was about, as anybody could see it: batches, candidates, N."""

    def __init__(self, table: CeremonyTable) -> None:
        steps = [p.post.body for p in table.board.entries if hasattr(p.post.body, "batch")]
        self.batches = 1 + max(s.batch for s in steps)
        self.tried = sorted({(s.batch, s.candidate) for s in steps if s.step == "winner"})
        run = runs_of(table)[1]
        self.layout, self.last = run.layout, self.tried[-1]
        self.n, self.theta_prime = run.the_winner.n, run.state.theta_prime

    def dealers(self, part: int) -> list[int]:
        first = part // self.layout.class_size
        return [(first + d) % N + 1 for d in range(T + 1)]

    def dealt(self, member: int) -> int:
        """How many classes a member deals."""
        return sum(member in self.dealers(c * self.layout.class_size) for c in range(N))


def declared(table: CeremonyTable) -> tuple[dict[Path, list[Draw]], set[Path]]:
    """Draws from each stream, but for the recheck's; all keys that are derived from seeds."""
    told, streams, keys = Told(table), dict[Path, list[Draw]](), set[Path]()
    batch, part = told.last
    n, label, trial = told.n, f"winner/{batch}/{part}", f"trial/{batch}/{part}"
    for i in EVERYONE:
        own: Path = (i, "<bytes>")
        keys.add(own)
        sealing = [*own, "sealing", "sealing key"], [*own, "epoch sealing", "sealing key"]
        for path in map(tuple, sealing):
            streams[path] = [("bytes", 64), ("bytes", 32)]
            keys |= {path[:-1], path, (*path, "bytes 64"), (*path, "bytes 32")}
        committed = [f"{s}/{b}/0" for b in range(told.batches) for s in ("moduli", "screen")]
        committed += [f"winner/{b}/{k}" for b, k in told.tried if i in told.dealers(k)]
        keys |= {(*own, "nonce", s) for s in [*committed, f"theta/{batch}/{part}"]}
        for b in range(told.batches):
            keys.add((*own, "leaves", b))
            count = told.dealt(i) * told.layout.class_size
            keys |= {(*own, "leaves", b, k) for k in range(count)}
        for j in set(EVERYONE) - {i}:
            pair = (*own, "pairwise", j)
            opened = [("moduli", b, c) for b in range(told.batches) for c in range(N)]
            keys |= {pair} | {(*pair, *what) for what in [*opened, ("theta", batch, part)]}
        proofs = [("trial proof", trial)]
        if i in told.dealers(part):
            proofs += [("proof", label), ("fresh proof", trial)]
            key = (*own, "key", label)
            streams[key] = ranges(n)
            keys.add(key)
        for what in proofs:
            bound = n * K * K  # |x| < N, a challenge of 128 bits, 128 bits that hide
            if what[0] == "trial proof":
                bound = share_bound(n, told.theta_prime) * K * K
            nonce = (*own, *what, "bytes 32", "equality proof", "<bytes>")
            streams |= {(*own, *what): [("bytes", 32)], nonce: [("below", bound)]}
            keys |= {(*own, *what), (*own, *what, "bytes 32"), nonce}
    return streams, keys


def ranges(n: mpz) -> list[Draw]:
    """β, R, then the coefficients that hide Δx, Δβ, ΔR from t, t and quorum - 1 members."""
    beta, blind = K * n, DELTA * N * K * K * n
    drawn: list[Draw] = [("below", beta), ("below", blind)]
    for secret, degree in ((n, T), (beta, T), (blind, QUORUM - 1)):
        drawn += [("below", DELTA * secret * K * 2**degree)] * degree
    return drawn


def share_bound(n: mpz, theta_prime: mpz) -> mpz:
    """Above |f_i| = |θ' - N·P(i)|, P = c·(ΔR), as the proof of a partial decryption has it."""
    factor = (2 * factorial(16)) ** 3 // factorial(N)
    blind = DELTA * N * K * K * n
    top = sum(N**k for k in range(1, QUORUM))
    point = DELTA * blind + DELTA * blind * K * 2 ** (QUORUM - 1) * top
    return theta_prime + n * factor * (T + 1) * point


def is_recheck(path: Path) -> bool:
    return path[2:3] == ("recheck",)


def check_draws(table: CeremonyTable, record: Record) -> None:
    streams, keys = declared(table)
    for path, drawn in record.draws.items():
        assert all(one == drawn[0] for one in drawn), f"{path} gives this and that"
    found = {p: drawn[0] for p, drawn in record.draws.items() if not is_recheck(p)}
    assert set(found) == set(streams)
    for path, one in found.items():
        assert one == streams[path], path
    assert {p for p in record.keys if not is_recheck(p)} == keys


def check_uniqueness(record: Record) -> None:
    assert len(set(record.keys.values())) == len(record.keys), "a key with two labels"
    uses = {(key, exponent, count) for key, _, exponent, count in record.expanded}
    assert len({key for key, _, _ in uses}) == len(uses), "a mask for two openings"


def check_pairs(table: CeremonyTable, record: Record) -> None:
    runs = runs_of(table)
    sent = {(i, j): key for i, run in runs.items() for j, key in run.keys_sent.items()}
    received = {(i, j): key for j, run in runs.items() for i, key in run.keys_received.items()}
    assert sent == received
    assert set(sent) == set(itertools.permutations(EVERYONE, 2))
    assert len(set(sent.values())) == len(sent)


def check_masks(table: CeremonyTable, record: Record) -> None:
    """Each opening of each member is under a row of each pair that it is in, of its own label."""
    told, (batch, part) = Told(table), Told(table).last
    field = {"moduli": runs_of(table)[1].shape.field_exponent}
    field["theta"] = runs_of(table)[1].the_winner.shape.theta_exponent
    opened = [("moduli", b, c) for b in range(told.batches) for c in range(N)]
    due = [
        ((i, "<bytes>", "pairwise", j, *what), field[what[0]], size)
        for i, j in itertools.permutations(EVERYONE, 2)
        for what, size in [
            *((w, told.layout.class_size) for w in opened), (("theta", batch, part), 1)
        ]
        for _ in range(2)  # once by each of the two
    ]  # fmt: skip
    assert sorted(due, key=str) == sorted((e[1:] for e in record.expanded), key=str)


def check_leaves(table: CeremonyTable, record: Record) -> None:
    """Each leaf deals one candidate, once; its factors and coefficients are in their ranges."""
    shape = runs_of(table)[1].shape
    assert len({path for path, *_ in record.dealt}) == len(record.dealt)
    rows = set[mpz]()
    for path, is_lead, dealing, k in record.dealt:
        assert path[2] == "leaves"
        for side, value in enumerate(dealing.factors[k]):
            low = shape.base if is_lead else 0
            assert low <= value < low + (shape.step << shape.span_bits)
            residues = {int(value % r) for r in (4, *shape.small)}
            assert residues == {0} or is_lead
            assert all(1 <= value % r <= (r - 1) // (T + 1) for r in shape.sieve)
            first, *rest = [dealing.rows.split(f)[k] for f in dealing.polynomials[side]]
            assert first == value
            assert len(rest) == T
            assert all(0 <= c <= dealing.rows.prime for c in rest)
            assert all(c.bit_length() > shape.field_exponent - 40 for c in rest)
            rows.update(rest)
    assert len(rows) == 2 * T * len(record.dealt), "a coefficient twice"


def check_rechecks(table: CeremonyTable, record: Record) -> None:
    """A checker draws a weight of 64 bits for each dealer and one of the factors, and uses them."""
    drawn = {p: d[0] for p, d in record.draws.items() if is_recheck(p)}
    assert drawn
    for path, one in drawn.items():
        part, member = path[-1], path[0]
        number = part // Told(table).layout.class_size  # type: ignore[operator]
        assert member in [(number + T + 1 + d) % N + 1 for d in range(T + 1)], "no checker"
        assert one == [("bits", 64)] * (T + 1) + [("bits", 1)]
    assert len(record.rechecked) == len(drawn)
    for (member, batch, part), factors, weights, p in record.rechecked:
        *weighed, which = record.values[member, "<bytes>", "recheck", batch, part]
        assert list(weights.values()) == weighed
        assert p == factors[int(which)]
    values = [record.values[p] for p in drawn]
    assert {int(v[-1]) for v in values} == {0, 1}
    assert len({int(w) for v in values for w in v[:-1]}) == (T + 1) * len(values)


def test_every_secret_draw_has_its_label_and_its_range_and_no_other_is_made():
    check_draws(*honest())


def test_no_key_has_two_labels_and_no_mask_covers_two_openings():
    check_uniqueness(honest()[1])


def test_every_pair_of_members_has_a_key_for_each_direction_and_shares_it_with_nobody():
    check_pairs(*honest())


def test_every_opening_of_a_product_is_under_a_row_of_each_pair_with_the_openings_own_label():
    check_masks(*honest())


def test_every_candidate_is_dealt_from_a_leaf_of_its_own_within_the_ranges():
    check_leaves(*honest())


def test_rechecks_weigh_with_secret_numbers_and_look_modulo_either_factor():
    check_rechecks(*honest())


def holds(check: Check, table: CeremonyTable, record: Record) -> bool:
    try:
        check(table, record)
    except AssertionError:
        return False
    return True


CHECKS = (
    check_draws, lambda table, record: check_uniqueness(record), check_pairs, check_masks,
    check_leaves, check_rechecks,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_what_is_drawn_or_masked_is_found(fault):
    two_batches_label()
    with with_fault(fault):
        table, record = whole_ceremony()
    assert all(machine.outcome for machine in table.machines.values()), "nothing else shows it"
    assert not all(holds(check, table, record) for check in CHECKS)


def test_the_checks_hold_in_an_honest_ceremony_and_not_with_one_key_for_all_pairs():
    """The fast tests' own control; the slow ones play all faults."""
    assert all(holds(check, *honest()) for check in CHECKS)
    with with_fault("one pairwise key for all"):
        assert not holds(check_pairs, *whole_ceremony())
