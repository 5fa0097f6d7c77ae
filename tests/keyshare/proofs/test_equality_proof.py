"""The proof of equal exponents: what passes, what does not, and what passes though it is wrong."""

from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.proofs import equality_proof
from keyshare.proofs.equality_proof import CHECKPOINTS, EqualityProof, prove
from keyshare.randomness import Stream
from tests.stage.ceremony.equality_proofs import (
    BOUND,
    EXPONENT,
    Claim,
    N,
    P,
    Q,
    answered,
    batch_of,
    challenge_of,
    claim,
    equations_hold,
    forged,
    numbers,
    spelled,
    with_point,
)
from tests.vectors import vectors

VECTORS = vectors("equality_proof")
TINY = mpz(7 * 11)  # its squares: a group of order 15


# --- What is true passes -------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=60)
def test_every_true_claim_is_proven(data):
    modulus = data.draw(st.sampled_from([N, N * N, TINY, TINY**2]))
    bound = mpz(data.draw(st.integers(1, 2**300)))
    exponent = mpz(data.draw(st.integers(int(1 - bound), int(bound - 1))))
    true = claim(data.draw(st.integers(1, 6)), modulus, exponent, bound=bound)
    proof = true.proof(exponent)
    assert true.accepts(proof)
    assert equations_hold(proof, true)


@pytest.mark.parametrize("vector", VECTORS["proofs"])
def test_proofs_are_those_of_the_vectors(vector):
    def number(name: str) -> mpz:
        return mpz(int(vector[name], 16))

    bases, values = (tuple(mpz(int(x, 16)) for x in vector[name]) for name in ("bases", "values"))
    true = Claim(
        number("base"), number("value"), bases, values, number("modulus"), number("bound"),
        bytes.fromhex(vector["context"]),
    )  # fmt: skip
    points = tuple(mpz(int(x, 16)) for x in vector["checkpoints"])
    expected = EqualityProof(number("first"), number("second"), number("response"), points)
    stream = Stream(bytes.fromhex(vector["stream_key"]))
    assert prove(number("exponent"), true, stream) == expected
    assert true.accepts(expected)


@pytest.mark.parametrize("draw", [lambda bound: mpz(0), lambda bound: bound - 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_exponents_pass_with_the_smallest_and_the_largest_draw(monkeypatch, draw, sign):
    monkeypatch.setattr(Stream, "below", lambda self, bound: draw(bound))
    exponent = sign * (BOUND - 1)
    base, *bases = [mpz(k) for k in (2, 3, 5)]
    value, *values = [gmpy2.powmod(b, exponent, N) for b in (base, *bases)]
    true = Claim(base, value, tuple(bases), tuple(values))
    assert true.accepts(true.proof(exponent))


# --- What is false does not ----------------------------------------------------------------------


@pytest.mark.parametrize("modulus", [N, N * N])
@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("error", [2, 5, EXPONENT])
def test_one_wrong_value_of_a_batch_fails(modulus, k, error):
    true = claim(modulus=modulus)
    false = true.with_value(k, true.values[k] * error % modulus)
    assert not false.accepts(false.proof())


def test_another_exponent_for_the_first_value_fails():
    true = claim()
    false = replace(true, value=true.value * true.base % N)
    assert not false.accepts(false.proof())
    assert not false.accepts(false.proof(EXPONENT + 1))


def test_errors_that_cancel_in_the_plain_product_fail():
    true = claim()
    wrong = true.with_value(0, true.values[0] * 9 % N)
    wrong = wrong.with_value(1, true.values[1] * gmpy2.invert(9, N) % N)
    assert not wrong.accepts(wrong.proof())


def test_values_in_another_order_fail():
    true = claim()
    wrong = replace(true, values=true.values[::-1])
    assert not wrong.accepts(wrong.proof())


def orders() -> dict[mpz, int]:
    """Every unit w modulo 77, and the order of w²."""
    units = [w for w in map(mpz, range(1, TINY)) if gmpy2.gcd(w, TINY) == 1]
    return {w: next(d for d in (1, 3, 5, 15) if gmpy2.powmod(w, 2 * d, TINY) == 1) for w in units}


def test_in_a_tiny_group_every_error_passes_exactly_if_the_challenge_was_guessed():
    """All errors w and all guesses g of the challenge: b = G^r·w^(2·t·g) fits w^(2·t·c) alone.

    By chance t or τ is a multiple of the order, too.
    """
    exponent, passed, tried = mpz(7), {1: 0, 3: 0, 5: 0, 15: 0}, {1: 0, 3: 0, 5: 0, 15: 0}
    for w, order in orders().items():
        for guess in range(15):
            true = claim(1, TINY, exponent, context=guess.to_bytes(2, "big"))
            false = true.with_value(0, true.values[0] * w % TINY)
            batch = batch_of(false)
            (t,) = equality_proof._coefficients(batch.digest, 1)
            r = BOUND << 200
            b = gmpy2.powmod(batch.second, r, TINY) * gmpy2.powmod(w, 2 * t * guess, TINY)
            proof = forged(false, b % TINY, exponent, r)
            challenge = equality_proof._challenge(batch, proof.first, proof.second)
            tau = equality_proof._merging(challenge, proof.response).number
            fits = gmpy2.powmod(w, 2 * t * tau * (challenge.number - guess), TINY) == 1
            assert false.accepts(proof) == fits, (w, guess)
            passed[order] += fits
            tried[order] += 1
    assert tried == {1: 60, 3: 120, 5: 240, 15: 480}
    assert passed[1] == tried[1]
    assert passed[3] / tried[3] == pytest.approx(1 - (2 / 3) ** 3, abs=0.13)
    assert passed[5] / tried[5] == pytest.approx(1 - (4 / 5) ** 3, abs=0.10)
    assert passed[15] / tried[15] == pytest.approx((19 / 27) * (61 / 125), abs=0.08)


def test_an_exponent_of_its_own_for_each_pair_fails_whichever_is_answered_for():
    true = claim()
    powers = [gmpy2.powmod(b, EXPONENT + k, N) for k, b in enumerate(true.bases)]
    false = replace(true, values=tuple(powers))
    for k in range(4):
        assert not false.accepts(false.proof(EXPONENT + k))


@given(data=st.data())
@settings(max_examples=100)
def test_what_is_accepted_are_the_proofs_whose_equations_hold_one_by_one(data):
    """Anything wrong by a factor, a sign or a power of 1+N; the challenge is answered for it."""
    modulus = N * N
    true = claim(2, modulus)
    factor = data.draw(st.sampled_from([mpz(1), modulus - 1, 1 + N, mpz(2)]))
    where = data.draw(st.sampled_from(["value", "values", "first", "second", *range(CHECKPOINTS)]))
    if where == "value":
        true = replace(true, value=true.value * factor % modulus)
    if where == "values":
        true = true.with_value(1, true.values[1] * factor % modulus)
    batch, r = batch_of(true), BOUND << 200
    a, b = (gmpy2.powmod(x, r, modulus) for x in (batch.first, batch.second))
    a = a * factor % modulus if where == "first" else a
    b = b * factor % modulus if where == "second" else b
    c = equality_proof._challenge(batch, a, b).number
    proof = answered(true, a, b, r - c * EXPONENT)
    if isinstance(where, int):
        proof = with_point(proof, where, proof.checkpoints[where] * factor % modulus)
    assert true.accepts(proof) == equations_hold(proof, true) == (factor in (1, modulus - 1))


def test_in_a_tiny_group_every_wrong_checkpoint_passes_exactly_if_the_weights_hide_it():
    passed = 0
    width = -(-equality_proof._response_bits(BOUND) // 8)
    for w, order in orders().items():
        for j in range(CHECKPOINTS):
            true = claim(1, TINY, mpz(7), context=bytes([w, j]))
            proof = true.proof(mpz(7))
            proof = with_point(proof, j, proof.checkpoints[j] * w % TINY)
            batch = batch_of(true)
            challenge = equality_proof._challenge(batch, proof.first, proof.second)
            merging = equality_proof._merging(challenge, proof.response)
            rho = [0, *numbers("weights", 7, merging.digest, *map(spelled, proof.checkpoints)), 0]
            limb = int(proof.response) >> (j + 1) * width & (1 << width) - 1
            power = limb + (rho[j + 2] << width) - rho[j + 1]
            fits = pow(int(w), 2 * power, int(TINY)) == 1
            assert true.accepts(proof) == fits, (w, j)
            passed += fits and order > 1
    assert 20 < passed < 150  # of 392


@pytest.mark.parametrize("power", [1, 42, P, N - 1])
def test_whatever_is_wrong_by_a_power_of_one_plus_n_fails(power):
    modulus = N * N
    true, error = claim(modulus=modulus), gmpy2.powmod(1 + N, power, modulus)
    for k in range(4):
        false = true.with_value(k, true.values[k] * error % modulus)
        assert not false.accepts(false.proof())
    false = replace(true, value=true.value * error % modulus)
    assert not false.accepts(false.proof())
    proof = true.proof()
    for j in range(CHECKPOINTS):
        assert not true.accepts(with_point(proof, j, proof.checkpoints[j] * error % modulus))


# --- What passes though it is wrong --------------------------------------------------------------


@pytest.mark.parametrize("modulus", [N, N * N])
def test_factors_of_order_two_are_not_noticed(modulus):
    """-1, and with the factors known the other root of 1 too: all is squared before use."""
    true = claim(modulus=modulus)
    p = gmpy2.gcd(modulus, P * P)
    q = modulus // p
    other = (p * gmpy2.invert(p, q) - q * gmpy2.invert(q, p)) % modulus
    for root in (modulus - 1, other):
        assert root * root % modulus == 1
        wrong = true.with_value(2, true.values[2] * root % modulus)
        assert wrong.accepts(wrong.proof())
        wrong = replace(true, value=true.value * root % modulus)
        assert wrong.accepts(wrong.proof())


@pytest.mark.parametrize("modulus", [N, N * N])
def test_signs_of_the_numbers_of_a_proof_are_not_noticed(modulus):
    """A checkpoint with another sign leaves the proof as it is; a commitment has to be hashed."""
    true, r = claim(modulus=modulus), BOUND << 200
    proof, batch = true.proof(), batch_of(true)
    for j in range(CHECKPOINTS):
        assert true.accepts(with_point(proof, j, modulus - proof.checkpoints[j]))
    for one, two in ((-1, 1), (1, -1), (-1, -1)):
        a = one * gmpy2.powmod(batch.first, r, modulus) % modulus
        b = two * gmpy2.powmod(batch.second, r, modulus) % modulus
        z = r - equality_proof._challenge(batch, a, b).number * EXPONENT
        assert true.accepts(answered(true, a, b, z))


def test_whoever_knows_an_element_of_order_three_passes_one_time_in_some():
    p = mpz(2) ** 127 - 1  # p-1 is a multiple of 3
    root = next(w for g in range(2, 9) if (w := gmpy2.powmod(g, (p - 1) // 3, p)) != 1)
    w = (1 + (root - 1) * Q * gmpy2.invert(Q, p)) % N
    assert gmpy2.powmod(w, 3, N) == 1 != w
    true = claim()
    tries = [replace(true.with_value(0, true.values[0] * w % N), context=bytes([k])) for k in
             range(60)]  # fmt: skip
    passed = sum(wrong.accepts(wrong.proof()) for wrong in tries)
    assert 28 < passed < 55  # 19 of 27: one of c, t and τ is a multiple of 3
    assert gmpy2.gcd(w - 1, N) == Q  # but to know it is to know a factor


def test_an_exponent_above_its_bound_passes_within_the_slack():
    true = claim(exponent=EXPONENT, bound=EXPONENT)  # |e| < bound is false
    with pytest.raises(ValueError, match="below its bound"):
        true.proof()
    batch = batch_of(true)
    r = EXPONENT << 200
    proof = forged(true, gmpy2.powmod(batch.second, r, N), EXPONENT, r)
    assert true.accepts(proof)


# --- A proof is for one statement ----------------------------------------------------------------


def other_true_claims() -> dict[str, tuple[Claim, Claim]]:
    """Pairs of true claims that differ in one thing only; exponent 1 where the modulus differs."""
    true, small = claim(), [mpz(k) for k in (2, 3, 5)]
    one = Claim(small[0], small[0], tuple(small[1:]), tuple(small[1:]))
    return {
        "context": (true, replace(true, context=b"contexu")),
        "longer context": (true, replace(true, context=b"context\0")),
        "bound": (true, replace(true, bound=BOUND + 1)),
        "order": (true, replace(true, bases=true.bases[::-1], values=true.values[::-1])),
        "sign of base": (true, replace(true, base=N - true.base)),
        "sign of value": (true, replace(true, value=N - true.value)),
        "sign of a base": (true, replace(true, bases=(*true.bases[:3], N - true.bases[3]))),
        "sign of a value": (true, true.with_value(0, N - true.values[0])),
        "one fewer": (true, replace(true, bases=true.bases[:3], values=true.values[:3])),
        "one more": (true, replace(true, bases=(*true.bases, mpz(1)),
                                   values=(*true.values, mpz(1)))),
        "a pair twice": (true, replace(true, bases=(*true.bases, true.bases[3]),
                                       values=(*true.values, true.values[3]))),
        "modulus": (one, replace(one, modulus=N * N)),
    }  # fmt: skip


@pytest.mark.parametrize("what", list(other_true_claims()))
def test_a_proof_holds_for_no_other_claim_even_a_true_one(what):
    true, other = other_true_claims()[what]
    exponent = mpz(1) if what == "modulus" else EXPONENT
    proof = true.proof(exponent)
    assert true.accepts(proof)
    assert other.accepts(other.proof(exponent))
    assert not other.accepts(proof)


def test_lists_that_run_into_each_other_hash_apart():
    """[1, 2] and [1·256+2] would be the same bytes, and so would the last base and first value."""
    one, two, both = mpz(1), mpz(2), mpz(0x0102)
    claims = [
        Claim(one, two, (one, two), (one, two)),
        Claim(both, one, (two, one), (two, one)),
        Claim(one, two, (both,), (both,)),
        Claim(one, two, (one, two, one), (two, one, one)),
        Claim(one, two, (one, two), (one, two), context=b"context\x01"),
    ]
    assert len({batch_of(c).digest for c in claims}) == len(claims)


def test_each_hash_takes_in_all_that_comes_before_it():
    true, other = (batch_of(claim(context=x)) for x in (b"1", b"2"))
    one, two = mpz(1), mpz(2)
    firsts = (true, one, one), (true, two, one), (true, one, two), (other, one, one)
    challenges = [equality_proof._challenge(*first) for first in firsts]
    merging = [equality_proof._merging(c, z) for c in challenges for z in (one, two)]
    points = [tuple(two if k == j else one for k in range(7)) for j in range(8)]
    weights = [equality_proof._weights(m, p) for m in merging for p in points]
    assert len({c.number for c in challenges}) == 4
    assert len({m.number for m in merging}) == 8
    assert len({rho for each in weights for rho in each}) == 8 * 8 * 7


@pytest.mark.parametrize("change", [1, -1, mpz(1) << 127])
def test_a_changed_number_of_a_proof_fails(change):
    true = claim()
    proof = true.proof()
    for name in ("first", "second", "response"):
        assert not true.accepts(replace(proof, **{name: getattr(proof, name) + change}))
    for j in range(CHECKPOINTS):
        assert not true.accepts(with_point(proof, j, proof.checkpoints[j] + change))


# --- The secret ----------------------------------------------------------------------------------


def test_the_same_stream_gives_each_statement_a_nonce_of_its_own():
    """r = z + c·e; the same r under two challenges would give e away."""
    claims = [claim(context=bytes([k])) for k in range(20)]
    proofs = [c.proof(label="one stream") for c in claims]
    pairs = zip(claims, proofs, strict=True)
    assert len({p.response + challenge_of(c, p) * EXPONENT for c, p in pairs}) == 20


def test_the_same_stream_and_statement_give_the_same_proof():
    assert claim().proof() == claim().proof() != claim().proof(label="another")


def test_the_nonce_hides_the_exponent_by_128_bits_beyond_the_challenge():
    sizes = [claim(1, context=bytes([k])).proof().response.bit_length() for k in range(40)]
    assert max(sizes) == (BOUND << 256).bit_length() - 1
    claims = [claim(1, context=bytes([k])) for k in range(40)]
    challenges = [challenge_of(c, c.proof()) for c in claims]
    assert max(challenges).bit_length() == 128


def test_what_is_refused_does_not_tell_the_exponent():
    with pytest.raises(ValueError, match="the exponent is not below its bound") as refused:
        claim().proof(BOUND + EXPONENT)
    assert str(BOUND + EXPONENT) not in str(refused.value)
    with pytest.raises(ValueError, match="the exponent is not below its bound"):
        claim().proof(-BOUND)
