"""A prover gives wrong points of the long power, or picks what a hash should have fixed before.

Everyone knows the order of 1+N, so that errors in it can be made to cancel: a member shifts its
partial decryption by (1+N)^42, as in ``test_wrong_partial``, and looks for a place to hide that.
That the weights must come last: Bellare, Garay, Rabin, EUROCRYPT 1998, §3, and Boneh, Bünz, Fisch,
eprint 2018/712, on proofs of powers in groups with elements of known order.
"""

from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.proofs import equality_proof
from keyshare.proofs.checkpoints import LIMBS, checked_exponents, limb_bits
from keyshare.proofs.equality_proof import EqualityProof, EqualPowers, verify
from tests.attacks.proofs.test_fewer_repetitions import LIAR, false_statement
from tests.stage.ceremony.equality_proofs import answered, batch_of, equations_hold
from tests.stage.toy import toy_epoch

SHIFT = 42
NO_WEIGHTS = [mpz(0)] * (LIMBS - 1)


def shifted_claim() -> tuple[EqualPowers, mpz, mpz]:
    """A claim about a partial decryption times (1+N)^42, the right exponent, and N."""
    toy = toy_epoch(5, 3)
    return false_statement(), toy.shares[LIAR].value, toy.key.n


def honest_looking(false: EqualPowers, exponent: mpz) -> EqualityProof:
    """As one proves what is right."""
    batch, r = batch_of(false), false.bound << 200
    a, b = (gmpy2.powmod(x, r, false.modulus) for x in (batch.first, batch.second))
    c = equality_proof._challenge(batch, a, b).number
    return answered(false, a, b, r - c * exponent)


def through_checkpoints(weights: list[mpz]) -> tuple[EqualityProof, EqualPowers]:
    """U_1, U_2, … times (1+N)^y, (1+N)^(y·2^w), …: right from U_1 on, for these weights."""
    false, exponent, n = shifted_claim()
    square, bits = n * n, equality_proof._response_bits(false.bound)
    proof, batch, w = honest_looking(false, exponent), batch_of(false), limb_bits(bits)
    challenge = equality_proof._challenge(batch, proof.first, proof.second)
    tau = equality_proof._merging(challenge, proof.response).number
    (t,) = equality_proof._coefficients(batch.digest, 1)
    powers = checked_exponents(proof.response, bits, weights)[1:]
    moved = sum(e << j * w for j, e in enumerate(powers))
    y = -2 * SHIFT * t * challenge.number * tau * gmpy2.invert(moved, n)
    points = tuple(
        u * gmpy2.powmod(1 + n, y << j * w, square) % square
        for j, u in enumerate(proof.checkpoints)
    )
    return replace(proof, checkpoints=points), false


def test_a_wrong_checkpoint_does_not_hide_a_wrong_partial():
    proof, false = through_checkpoints(NO_WEIGHTS)
    assert not verify(proof, false)
    assert not equations_hold(proof, false)


def test_were_the_checkpoints_not_weighted_one_would_hide_any_shift(monkeypatch):
    monkeypatch.setattr(equality_proof, "_weights", lambda merging, points: NO_WEIGHTS)
    proof, false = through_checkpoints(NO_WEIGHTS)
    assert verify(proof, false)


def test_were_the_weights_known_before_the_checkpoints_these_would_be_made_to_fit(monkeypatch):
    known = [mpz(3) ** (40 + j) for j in range(LIMBS - 1)]
    proof, false = through_checkpoints(known)
    assert not verify(proof, false)
    monkeypatch.setattr(equality_proof, "_weights", lambda merging, points: known)
    assert verify(proof, false)


def merged_before_the_answer() -> tuple[EqualityProof, EqualPowers]:
    """τ of another z; all bases are powers of 1+N, so that errors of both equations cancel."""
    _, f, n = shifted_claim()
    square, bound = n * n, mpz(1) << (f.bit_length() + 1)
    base, value, other, wrong = (gmpy2.powmod(1 + n, x, square) for x in (1, f, 5, 5 * f + SHIFT))
    false = EqualPowers(base, value, [other], [wrong], square, bound, b"context")
    batch = batch_of(false)
    proof = honest_looking(false, f)
    challenge = equality_proof._challenge(batch, proof.first, proof.second)
    tau = equality_proof._merging(challenge, proof.response).number
    (t,) = equality_proof._coefficients(batch.digest, 1)
    error = challenge.number * tau * 2 * t * SHIFT
    z = proof.response - error * gmpy2.invert(2 + 10 * t * tau, n) % n
    return answered(false, proof.first, proof.second, z), false


def test_an_answer_picked_after_the_merging_weight_fails():
    proof, false = merged_before_the_answer()
    assert 0 <= proof.response <= equality_proof.longest_response(false.bound)
    assert not verify(proof, false)


def test_were_the_answer_not_hashed_both_equations_could_be_wrong_together(monkeypatch):
    bound = equality_proof._merging
    monkeypatch.setattr(
        equality_proof, "_merging", lambda challenge, response: bound(challenge, mpz(0))
    )
    proof, false = merged_before_the_answer()
    assert not equations_hold(proof, false)
    assert verify(proof, false)


def test_were_both_equations_merged_with_weight_one_they_could_be_wrong_together(monkeypatch):
    class One(equality_proof._Hashed):
        number = mpz(1)

    monkeypatch.setattr(equality_proof, "_merging", lambda challenge, response: One(b""))
    proof, false = merged_before_the_answer()
    assert verify(proof, false)


def commitment_afterwards(which: str) -> tuple[EqualityProof, EqualPowers]:
    """A wrong verification key or partial; the commitment that it touches is made last."""
    false, f, n = shifted_claim()
    square = n * n
    if which == "first":
        right = [gmpy2.powmod(false.bases[0], f, square)]
        false = replace(false, value=false.value * (1 + n) % square, values=right)
    batch, r = batch_of(false), false.bound << 200
    a, b = (gmpy2.powmod(x, r, square) for x in (batch.first, batch.second))
    c = equality_proof._challenge(batch, a, b).number
    z = r - c * f
    if which == "first":
        power = gmpy2.powmod(batch.first_power, c, square)
        a = gmpy2.powmod(batch.first, z, square) * power % square
    else:
        power = gmpy2.powmod(batch.second_power, c, square)
        b = gmpy2.powmod(batch.second, z, square) * power % square
    return answered(false, a, b, z), false


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_commitment_that_is_not_hashed_fits_any_value(monkeypatch, which):
    proof, false = commitment_afterwards(which)
    assert not verify(proof, false)
    bound = equality_proof._challenge
    monkeypatch.setattr(
        equality_proof,
        "_challenge",
        lambda batch, a, b: (
            bound(batch, mpz(0), b) if which == "first" else bound(batch, a, mpz(0))
        ),
    )
    proof, false = commitment_afterwards(which)
    assert verify(proof, false)


@pytest.mark.parametrize("zero", ["0", "N"])
@pytest.mark.parametrize("where", ["first", "second"])
def test_zeros_among_the_numbers_of_a_proof_would_prove_anything(monkeypatch, where, zero):
    """0 = 0, for any value: a commitment and a checkpoint whose squares are 0."""
    false, exponent, n = shifted_claim()
    nothing = mpz(0) if zero == "0" else n
    proof = replace(honest_looking(false, exponent), **{where: nothing})
    proof = replace(proof, checkpoints=(nothing, *proof.checkpoints[1:]))
    assert not verify(proof, false)
    monkeypatch.setattr(equality_proof, "are_units", lambda numbers, modulus: True)
    assert verify(proof, false)
