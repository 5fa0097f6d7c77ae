"""A prover gives wrong points of the long power, or picks what a hash should have fixed before.

Everyone knows the order of 1+N, so that errors in it can be made to cancel: a member shifts its
partial decryption by (1+N)^42, as in ``test_wrong_partial``, and looks for a place to hide that.
That the weights must come last: Bellare, Garay, Rabin, EUROCRYPT 1998, §3, and Boneh, Bünz, Fisch,
eprint 2018/712, on proofs of powers in groups with elements of known order.
"""

from __future__ import annotations

from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare import equality_proof
from keyshare.checkpoints import LIMBS, checked_exponents, limb_bits
from keyshare.equality_proof import EqualityProof, verify
from tests.attacks.test_fewer_repetitions import LIAR, false_statement
from tests.equality_proofs import Fields, answered, equations_hold
from tests.toy import toy_epoch

SHIFT = 42
NO_WEIGHTS = [mpz(0)] * (LIMBS - 1)


def shifted_claim() -> tuple[Fields, mpz, mpz]:
    """A claim about a partial decryption times (1+N)^42, the right exponent, and N."""
    toy = toy_epoch(5, 3)
    return (*false_statement(), b"context"), toy.shares[LIAR].value, toy.key.n


def statement_of(fields: Fields) -> equality_proof._Statement:
    statement = equality_proof._statement(*fields)
    assert statement is not None
    return statement


def honest_looking(fields: Fields, exponent: mpz) -> EqualityProof:
    """As one proves what is right."""
    statement, modulus, bound = statement_of(fields), fields[4], fields[5]
    r = bound << 200
    a, b = (gmpy2.powmod(x, r, modulus) for x in (statement.first, statement.second))
    c = equality_proof._challenge(statement, a, b).number
    return answered(statement, a, b, r - c * exponent, modulus, bound)


def through_checkpoints(weights: list[mpz]) -> tuple[EqualityProof, Fields]:
    """U_1, U_2, … times (1+N)^y, (1+N)^(y·2^w), …: right from U_1 on, for these weights."""
    fields, exponent, n = shifted_claim()
    square, bits = n * n, equality_proof._response_bits(fields[5])
    proof, statement, w = honest_looking(fields, exponent), statement_of(fields), limb_bits(bits)
    challenge = equality_proof._challenge(statement, proof.first, proof.second)
    tau = equality_proof._merging(challenge, proof.response).number
    (t,) = equality_proof._coefficients(statement.digest, 1)
    powers = checked_exponents(proof.response, bits, weights)[1:]
    moved = sum(e << j * w for j, e in enumerate(powers))
    y = -2 * SHIFT * t * challenge.number * tau * gmpy2.invert(moved, n)
    points = tuple(
        u * gmpy2.powmod(1 + n, y << j * w, square) % square
        for j, u in enumerate(proof.checkpoints)
    )
    return replace(proof, checkpoints=points), fields


def test_a_wrong_checkpoint_does_not_hide_a_wrong_partial():
    proof, fields = through_checkpoints(NO_WEIGHTS)
    assert not verify(proof, *fields)
    assert not equations_hold(proof, fields)


def test_were_the_checkpoints_not_weighted_one_would_hide_any_shift(monkeypatch):
    monkeypatch.setattr(equality_proof, "_weights", lambda merging, points: NO_WEIGHTS)
    proof, fields = through_checkpoints(NO_WEIGHTS)
    assert verify(proof, *fields)


def test_were_the_weights_known_before_the_checkpoints_these_would_be_made_to_fit(monkeypatch):
    known = [mpz(3) ** (40 + j) for j in range(LIMBS - 1)]
    proof, fields = through_checkpoints(known)
    assert not verify(proof, *fields)
    monkeypatch.setattr(equality_proof, "_weights", lambda merging, points: known)
    assert verify(proof, *fields)


def merged_before_the_answer() -> tuple[EqualityProof, Fields]:
    """τ of another z; all bases are powers of 1+N, so that errors of both equations cancel."""
    _, f, n = shifted_claim()
    square, bound = n * n, mpz(1) << (f.bit_length() + 1)
    base, value, other, wrong = (gmpy2.powmod(1 + n, x, square) for x in (1, f, 5, 5 * f + SHIFT))
    fields = base, value, [other], [wrong], square, bound, b"context"
    statement = statement_of(fields)
    proof = honest_looking(fields, f)
    challenge = equality_proof._challenge(statement, proof.first, proof.second)
    tau = equality_proof._merging(challenge, proof.response).number
    (t,) = equality_proof._coefficients(statement.digest, 1)
    error = challenge.number * tau * 2 * t * SHIFT
    z = proof.response - error * gmpy2.invert(2 + 10 * t * tau, n) % n
    return answered(statement, proof.first, proof.second, z, square, bound), fields


def test_an_answer_picked_after_the_merging_weight_fails():
    proof, fields = merged_before_the_answer()
    assert 0 <= proof.response <= equality_proof.longest_response(fields[5])
    assert not verify(proof, *fields)


def test_were_the_answer_not_hashed_both_equations_could_be_wrong_together(monkeypatch):
    bound = equality_proof._merging
    monkeypatch.setattr(
        equality_proof, "_merging", lambda challenge, response: bound(challenge, mpz(0))
    )
    proof, fields = merged_before_the_answer()
    assert not equations_hold(proof, fields)
    assert verify(proof, *fields)


def test_were_both_equations_merged_with_weight_one_they_could_be_wrong_together(monkeypatch):
    class One(equality_proof._Hashed):
        number = mpz(1)  # type: ignore[assignment]

    monkeypatch.setattr(equality_proof, "_merging", lambda challenge, response: One(b""))
    proof, fields = merged_before_the_answer()
    assert verify(proof, *fields)


def commitment_afterwards(which: str) -> tuple[EqualityProof, Fields]:
    """A wrong verification key or partial; the commitment that it touches is made last."""
    fields, f, n = shifted_claim()
    base, value, bases, values, square, bound, context = fields
    if which == "first":
        value, values = value * (1 + n) % square, [gmpy2.powmod(bases[0], f, square)]
    fields = base, value, bases, values, square, bound, context
    statement, r = statement_of(fields), bound << 200
    a, b = (gmpy2.powmod(x, r, square) for x in (statement.first, statement.second))
    c = equality_proof._challenge(statement, a, b).number
    z = r - c * f
    if which == "first":
        power = gmpy2.powmod(statement.first_power, c, square)
        a = gmpy2.powmod(statement.first, z, square) * power % square
    else:
        power = gmpy2.powmod(statement.second_power, c, square)
        b = gmpy2.powmod(statement.second, z, square) * power % square
    return answered(statement, a, b, z, square, bound), fields


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_commitment_that_is_not_hashed_fits_any_value(monkeypatch, which):
    proof, fields = commitment_afterwards(which)
    assert not verify(proof, *fields)
    bound = equality_proof._challenge
    monkeypatch.setattr(
        equality_proof,
        "_challenge",
        lambda statement, a, b: (
            bound(statement, mpz(0), b) if which == "first" else bound(statement, a, mpz(0))
        ),
    )
    proof, fields = commitment_afterwards(which)
    assert verify(proof, *fields)


@pytest.mark.parametrize("zero", ["0", "N"])
@pytest.mark.parametrize("where", ["first", "second"])
def test_zeros_among_the_numbers_of_a_proof_would_prove_anything(monkeypatch, where, zero):
    """0 = 0, for any value: a commitment and a checkpoint whose squares are 0."""
    fields, exponent, n = shifted_claim()
    nothing = mpz(0) if zero == "0" else n
    proof = replace(honest_looking(fields, exponent), **{where: nothing})
    proof = replace(proof, checkpoints=(nothing, *proof.checkpoints[1:]))
    assert not verify(proof, *fields)
    monkeypatch.setattr(equality_proof, "_are_units", lambda numbers, modulus: True)
    assert verify(proof, *fields)
