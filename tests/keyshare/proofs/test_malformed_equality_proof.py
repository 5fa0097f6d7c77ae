"""Claims and proofs of equal exponents that are ill-formed: refused before they cost anything."""

from dataclasses import replace
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.proofs import equality_proof
from keyshare.proofs.equality_proof import CHECKPOINTS, EqualityProof, longest_response
from tests.stage.ceremony.equality_proofs import (
    BOUND,
    EXPONENT,
    Claim,
    N,
    P,
    Q,
    answered,
    batch_of,
    claim,
    forged,
    sha,
    spelled,
    with_point,
)


@pytest.fixture
def no_unit_check(monkeypatch):
    """A verifier who does not look whether numbers are units, until ``undo`` is called."""
    monkeypatch.setattr(equality_proof, "are_units", lambda numbers, modulus: True)
    return monkeypatch


def test_an_empty_batch_is_refused():
    """Its proof would be of knowing e alone; made here by hand, as for one pair (1, 1)."""
    empty = replace(claim(1), bases=(), values=())
    with pytest.raises(ValueError, match="as many as bases"):
        empty.proof()
    e, base = EXPONENT, empty.base * empty.base % N
    parts = [empty.context, *map(spelled, (N, BOUND, empty.base, empty.value))]
    hashed = sha("statement", *parts, sha("bases"), sha("values"))
    batch = equality_proof._Batch(hashed, base, empty.value**2 % N, mpz(1), mpz(1))
    r = BOUND << 200
    a = gmpy2.powmod(base, r, N)
    c = equality_proof._challenge(batch, a, mpz(1)).number
    assert not empty.accepts(answered(empty, a, mpz(1), r - c * e, batch))


def test_as_many_values_as_bases_are_needed():
    true = claim(64)
    proof = true.proof()
    assert true.accepts(proof)
    assert not replace(true, values=true.values[:63]).accepts(proof)
    assert not replace(true, bases=true.bases[:63]).accepts(proof)
    assert not replace(true, values=(*true.values, mpz(1))).accepts(proof)


NOTHING_MODULO_P = P * P * gmpy2.invert(P * P, Q * Q)  # 0 modulo p², 1 modulo q²


@pytest.mark.parametrize(
    ("kills", "remains"),
    [(N, 0), (0, 0), (NOTHING_MODULO_P, NOTHING_MODULO_P)],
    ids=["square 0", "0", "0 modulo p²"],
)
def test_a_value_that_is_no_unit_is_refused_though_it_would_pass(no_unit_check, kills, remains):
    """Where V is 0, any challenge fits a commitment that is 0, whatever the other factor says."""
    square = N * N
    true = claim(modulus=square)
    false = true.with_value(1, true.values[1] * kills % square)
    batch, r = batch_of(false), BOUND << 200
    proof = forged(false, gmpy2.powmod(batch.second, r, square) * remains % square, r=r)
    assert false.accepts(proof)
    no_unit_check.undo()
    assert not false.accepts(proof)


@pytest.mark.parametrize("field", ["base", "value", "bases", "values"])
@pytest.mark.parametrize("number", [mpz(0), P, Q, P * 5, N, N + 1, mpz(-1)])
def test_every_number_is_a_unit_in_its_range(field, number):
    true = claim()
    proof = true.proof()
    wrong: Any = number if field in ("base", "value") else (*getattr(true, field)[:3], number)
    false = replace(true, **{field: wrong})
    assert not false.accepts(proof)
    with pytest.raises(ValueError, match="no exponent fits"):
        false.proof()


def test_a_base_and_its_power_that_share_a_factor_are_refused_though_they_would_pass(no_unit_check):
    true = claim()
    wide = mpz(1) << 1_200  # for limbs longer than the weights: nothing has to be inverted
    false = replace(true, bases=(P, *true.bases[1:]), bound=wide)
    false = false.with_value(0, gmpy2.powmod(P, EXPONENT, N))
    proof = false.proof()
    assert false.accepts(proof)
    no_unit_check.undo()
    assert not false.accepts(proof)


@pytest.mark.parametrize("turns", [1, 2])
def test_a_number_has_one_spelling(no_unit_check, turns):
    true = claim()
    false = true.with_value(0, true.values[0] + turns * N)
    proof = false.proof()
    assert false.accepts(proof)
    no_unit_check.undo()
    assert not false.accepts(proof)


def test_both_ends_of_the_response_are_exact():
    """Modulo 24 every square of a unit is 1, so that any response fits."""
    trivial = Claim(mpz(5), mpz(7), (mpz(11),), (mpz(13),), modulus=mpz(24), bound=mpz(1000))
    most = 1000 * 2**256 + 2 * (2**128 - 1) * 999 - 1
    assert longest_response(mpz(1000)) == most
    for response, inside in ((0, True), (most, True), (-1, False), (most + 1, False)):
        proof = EqualityProof(mpz(1), mpz(1), mpz(response), (mpz(1),) * CHECKPOINTS)
        assert trivial.accepts(proof) == inside


def test_a_response_with_a_multiple_of_the_order_is_refused_though_it_fits():
    true = claim()
    proof, order = true.proof(), gmpy2.lcm(P - 1, Q - 1)

    def moved(turns: int) -> EqualityProof:
        response = proof.response + turns * order
        return answered(true, proof.first, proof.second, response)

    assert true.accepts(moved(1))  # still in range
    for turns in (-(proof.response // order + 1), longest_response(BOUND) // order + 1):
        far = moved(turns) if turns > 0 else replace(proof, response=proof.response + turns * order)
        assert not true.accepts(far)


@pytest.mark.parametrize(
    "change",
    [
        {"response": mpz(-1)},
        {"response": longest_response(BOUND) + 1},
        {"first": mpz(0)},
        {"second": N},
        {"checkpoints": ()},
        {"checkpoints": (mpz(1),) * (CHECKPOINTS - 1)},
        {"checkpoints": (mpz(1),) * (CHECKPOINTS + 1)},
        {"checkpoints": (*(mpz(1),) * (CHECKPOINTS - 1), P)},
    ],
)
def test_numbers_out_of_range_cost_the_verifier_nothing(monkeypatch, change):
    proof = EqualityProof(mpz(1), mpz(1), mpz(0), (mpz(1),) * CHECKPOINTS)

    def computed(*_):
        raise AssertionError("computed with a number out of range")

    monkeypatch.setattr(equality_proof, "_batch", computed)
    with pytest.raises(AssertionError, match="out of range"):
        claim().accepts(proof)
    assert not claim().accepts(replace(proof, **change))


@pytest.mark.parametrize("number", [mpz(0), P, Q * 5, N, N + 1, mpz(-1)])
def test_every_number_of_a_proof_is_a_unit_in_its_range(monkeypatch, number):
    """The last checkpoint is inverted where its exponent is negative."""
    true = claim()
    proof = true.proof()
    wrong = [replace(proof, first=number), replace(proof, second=number)]
    wrong += [with_point(proof, j, number) for j in range(CHECKPOINTS)]
    monkeypatch.setattr(equality_proof, "_batch", None)
    assert not any(true.accepts(each) for each in wrong)
