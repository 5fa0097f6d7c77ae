"""What a dealer says of the winner must be of one exponent, and fit the shares that it deals."""

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from keyshare.ceremony import feldman
from keyshare.ceremony.biprimality import ROUNDS
from protocol.ceremony import winner_steps
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, encode, pack_numbers, unpack_numbers, width_of
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.altered import (
    altered,
    assert_everybody_names,
    assert_named,
    resealed,
    table_with_liar,
)
from tests.stage.ceremony.opened_key import dealers_factors, factors_of_the_key, runs_of
from tests.stage.ceremony.small_ceremony import LIAR, QUORUM, VICTIM, N, federation
from tests.stage.toy import CeremonyTable, toy_epoch

DEGREE = (N - 1) // 2
COUNTS = [1, ROUNDS, DEGREE, DEGREE + 1, QUORUM]  # u^x, rounds, coefficients of x, β, ΔR
PLACES = [0, 1, ROUNDS, 1 + ROUNDS, 1 + ROUNDS + DEGREE, sum(COUNTS) - 1]


def with_numbers(change):
    """A lie: some of a dealer's numbers changed, the proof as it was."""

    def tell(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
        n = run.batch.moduli[step.candidate]
        said = decode(payload, Winning, "values", MAX_BLOB_BYTES)
        numbers = unpack_numbers(said.numbers, width_of(n), sum(COUNTS), n, "values")
        changed = change(numbers, n)
        return encode(Winning(pack_numbers(changed, width_of(n)), said.proof))

    return tell


def at(place: int, change):
    return with_numbers(
        lambda numbers, n: [
            change(number, n) if k == place else number for k, number in enumerate(numbers)
        ]
    )


def numbers_of(table: CeremonyTable, dealer: int) -> list[mpz]:
    """What a dealer said of the winner."""
    run = runs_of(table)[1]
    n, winner = run.the_winner.n, run.the_winner.number
    (payload,) = [
        table.payloads(posted, 0)[0][32:]
        for posted in table.board.entries
        if posted.post.sender == dealer
        and getattr(posted.post.body, "step", "") == "winner"
        and posted.post.body.candidate == winner
    ]
    said = decode(payload, Winning, "values", MAX_BLOB_BYTES)
    return list(unpack_numbers(said.numbers, width_of(n), sum(COUNTS), n, "values"))


def test_a_dealer_says_its_exponent_the_rounds_and_commitments_to_three_polynomials():
    """Recomputed from the opened factors: x = (p_i+q_i)/4, the lead's what is left of φ/4."""
    table = toy_epoch(N, QUORUM).table
    run, (p, q) = runs_of(table)[1], factors_of_the_key(table)
    n, u = run.the_winner.n, run.the_winner.u
    factors = dealers_factors(table)
    exponents = {i: (p_i + q_i) // 4 for i, (p_i, q_i) in factors.items()}
    lead = next(iter(factors))
    others = sum((x for i, x in exponents.items() if i != lead), mpz(0))
    exponents[lead] = (p - 1) * (q - 1) // 4 + others
    for i, x in exponents.items():
        numbers = numbers_of(table, i)
        assert numbers[0] == gmpy2.powmod(u, x, n)
        bases = [winner_steps.round_base(run.context, n, k) for k in range(ROUNDS)]
        assert numbers[1 : 1 + ROUNDS] == [gmpy2.powmod(g, x, n) for g in bases]
        assert len(set(bases)) == ROUNDS
        assert all(gmpy2.jacobi(g, n) == 1 for g in bases)


def test_every_members_point_fits_the_sum_of_the_dealers_commitments():
    table = toy_epoch(N, QUORUM).table
    runs = runs_of(table)
    n, u, delta = runs[1].the_winner.n, runs[1].the_winner.u, runs[1].the_winner.shape.delta
    numbers = {i: numbers_of(table, i) for i in runs[1].the_winner.exponents}
    start = 1 + ROUNDS
    beta = feldman.add([v[start + DEGREE : -QUORUM] for v in numbers.values()], n)
    blind = feldman.add([v[-QUORUM:] for v in numbers.values()], n)
    lead = next(iter(numbers))
    phi = [mpz(1)] * (DEGREE + 1)
    for i, v in numbers.items():
        row = [gmpy2.powmod(v[0], delta, n), *v[start : start + DEGREE]]
        sign = 1 if i == lead else -1
        phi = [a * gmpy2.powmod(b, sign, n) % n for a, b in zip(phi, row, strict=True)]
    for i, run in runs.items():
        for point, commitments in zip(run.the_winner.points, (phi, beta, blind), strict=True):
            assert feldman.fits(point, commitments, i, u, n)


@pytest.mark.parametrize("place", PLACES)
def test_one_number_of_a_dealer_that_is_wrong_names_it(place):
    table = table_with_liar("winner", at(place, lambda number, n: number * 2 % n))
    assert_everybody_names(table, LIAR, "winner")
    assert_named(table, LIAR)
    assert table.verdict.culprits[LIAR].startswith("winner")


@pytest.mark.parametrize("place", [0, 1, ROUNDS])
def test_a_number_with_its_sign_turned_is_not_of_the_same_exponent(place):
    table = table_with_liar("winner", at(place, lambda number, n: n - number))
    assert not any(machine.outcome for machine in table.machines.values())
    assert_named(table, LIAR)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", ["zero", "factor"])
def test_a_number_that_is_no_unit_names_its_sender(place, what):
    """A factor of N can be no more than a guess here; the check must not depend on that."""
    p, _ = factors_of_the_key(toy_epoch(N, QUORUM).table)
    value = p if what == "factor" else mpz(0)
    table = table_with_liar("winner", at(place, lambda number, n: value))
    assert_everybody_names(table, LIAR, "winner")
    assert "not a unit" in table.machines[1].failure.reason


@pytest.mark.parametrize(
    "change", [lambda v, n: v[:-1], lambda v, n: [*v, mpz(1)], lambda v, n: []]
)
def test_another_count_of_numbers_names_its_sender(change):
    table = table_with_liar("winner", with_numbers(change))
    assert_everybody_names(table, LIAR, "winner")


def test_a_longer_polynomial_has_no_place_to_be_committed_to():
    """One more coefficient for ΔR would raise the quorum for everybody."""
    table = table_with_liar("winner", with_numbers(lambda v, n: [*v, v[-1]]))
    assert_everybody_names(table, LIAR, "winner")
    assert_named(table, LIAR)


@pytest.mark.parametrize("field", ["first", "second", "response", "checkpoints"])
def test_a_wrong_proof_names_its_sender(field):
    def tell(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
        said = decode(payload, Winning, "values", MAX_BLOB_BYTES)
        value = getattr(said.proof, field)
        *head, last = value if field == "checkpoints" else [value]
        changed = last[:-1] + bytes([last[-1] ^ 1])
        changed = (*head, changed) if field == "checkpoints" else changed
        proof = msgspec.structs.replace(said.proof, **{field: changed})
        return encode(Winning(said.numbers, proof))

    table = table_with_liar("winner", tell)
    assert_everybody_names(table, LIAR, "winner")
    assert_named(table, LIAR)


def test_the_proof_of_another_dealer_does_not_pass():
    others = toy_epoch(N, QUORUM).table
    source = next(i for i in runs_of(others)[1].the_winner.exponents if i != LIAR)
    theirs = next(
        others.payloads(posted, 0)[0][32:]
        for posted in others.board.entries
        if posted.post.sender == source and getattr(posted.post.body, "step", "") == "winner"
    )
    table = table_with_liar("winner", lambda run, step, payload: theirs)
    assert_everybody_names(table, LIAR, "winner")
    assert_named(table, LIAR)


@pytest.mark.parametrize("polynomial", range(3))
@pytest.mark.parametrize("change", [1, -1])
def test_a_point_that_is_off_by_one_is_noticed_by_its_owner_alone(polynomial, change):
    run = runs_of(toy_epoch(N, QUORUM).table)[1]
    bounds = winner_steps._point_bounds(run.the_winner.shape)

    def spoil(data: bytes) -> bytes:
        start = sum(width_of(bound) for bound in bounds[:polynomial])
        end = start + width_of(bounds[polynomial])
        point = int.from_bytes(data[start:end], "big") + change
        return data[:start] + point.to_bytes(end - start, "big") + data[end:]

    table = altered("winner", lambda t, draft: resealed(t, draft, spoil))
    assert_everybody_names(table, LIAR, "winner")
    aborts = [p.post.sender for p in table.board.entries if "Abort" in type(p.post.body).__name__]
    assert aborts == [VICTIM]
    assert_named(table, LIAR)


@pytest.mark.parametrize("doomed", [0, ROUNDS - 1])
def test_one_failed_round_of_64_rejects_the_candidate(monkeypatch, doomed):
    honest, real = toy_epoch(N, QUORUM), winner_steps.accepts
    lost = numbers_of(honest.table, LIAR)[1 + doomed]

    def accepts(values, lead, n):
        return lost not in values.values() and real(values, lead, n)

    monkeypatch.setattr(winner_steps, "accepts", accepts)
    table = CeremonyTable(federation()).run()
    assert runs_of(table)[1].the_winner.n != honest.key.n
    assert all(machine.outcome for machine in table.machines.values())
