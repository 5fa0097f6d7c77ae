"""Fewer repetitions than agreed, or a challenge short enough to guess.

TSSHOCK (Verichains, 2023): c-guess, Multichain's fastMPC with 1 iteration instead of 128, and
c-split, one challenge in a group whose order the prover knows; mpcsec.org, "Insufficient soundness
from reduced iteration count".
"""

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import biprimality
from keyshare.proofs import equality_proof
from keyshare.proofs.equality_proof import (
    EqualityProof,
    EqualPowers,
    longest_response,
    prove,
    verify,
)
from keyshare.randomness import Stream
from protocol.ceremony import winner_steps
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, encode, width_of
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import EITHER_WAY, winners_dealers
from tests.stage.ceremony.equality_proofs import answered, batch_of
from tests.stage.ceremony.liar import Lies, assert_caught, lying
from tests.stage.toy import seed_of, toy_epoch

LIAR = winners_dealers()[1]
TRIES = 4_000


def one_round_only(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    winning, n = decode(said, Winning, "", MAX_BLOB_BYTES), winner_steps._candidate(run, step).n
    width, dropped = width_of(n), winner_steps.ROUNDS - 1
    kept = winning.numbers[: 2 * width] + winning.numbers[(2 + dropped) * width :]
    return encode(Winning(kept, winning.proof))


@EITHER_WAY
def test_fewer_rounds_are_caught_by_their_number(play):
    assert_caught(play(lying({LIAR: Lies({"winner": one_round_only})})), LIAR, "winner")


# ── why 64 rounds: a number that is no biprime and passes one in four ──

P, Q = mpz(13 * 7), mpz(67)  # 13·7 is no prime; gcd(N, p+q-1) = 1, as the ceremony checks


def rounds_passed(count: int) -> list[bool]:
    """Boneh-Franklin's test of N = P·Q with the whole exponent in one hand."""
    n, e = P * Q, (P - 1) * (Q - 1) // 4
    bases = [biprimality.round_base(b"fewer", n, k) for k in range(count)]
    return [gmpy2.powmod(g, e, n) in (1, n - 1) for g in bases if gmpy2.gcd(g, n) == 1]


def test_one_round_lets_a_composite_pass_that_all_of_them_do_not():
    assert P % 4 == Q % 4 == 3
    assert gmpy2.gcd(P * Q, P + Q - 1) == 1
    passed = rounds_passed(400)
    assert 0.05 < sum(passed) / len(passed) <= 0.3
    assert not all(passed[: biprimality.ROUNDS])


# ── c-guess ──


def guessed(tries: int) -> EqualityProof | None:
    """A proof of a false statement: a and b are made to fit a guessed challenge."""
    false = false_statement()
    batch, modulus = batch_of(false), false.modulus
    stream = Stream.derive(seed_of("c-guess"), "guess")
    for _ in range(tries):
        guess = stream.bits(equality_proof.CHALLENGE_BITS)
        z = stream.below(longest_response(false.bound))
        a, b = (
            gmpy2.powmod(base, z, modulus) * gmpy2.powmod(power, guess, modulus) % modulus
            for base, power in (
                (batch.first, batch.first_power),
                (batch.second, batch.second_power),
            )
        )
        if equality_proof._challenge(batch, a, b).number == guess:
            return answered(false, a, b, z)
    return None


def false_statement() -> EqualPowers:
    """A member's verification key, and a partial decryption times (1+N)^42."""
    toy = toy_epoch(5, 3)
    n, square = toy.key.n, toy.key.n**2
    bound = mpz(1) << (toy.shares[LIAR].value.bit_length() + 1)
    base = gmpy2.powmod(toy.key.verification_base, toy.key.delta, square)
    other, f = gmpy2.powmod(5, 2 * toy.key.delta, square), toy.shares[LIAR].value
    wrong = gmpy2.powmod(other, f, square) * (1 + 42 * n) % square
    value = gmpy2.powmod(base, f, square)
    return EqualPowers(base, value, [other], [wrong], square, bound, b"context")


def test_a_challenge_of_128_bits_is_not_guessed():
    assert guessed(200) is None


def test_a_challenge_of_8_bits_is_guessed_and_the_false_proof_holds(monkeypatch):
    monkeypatch.setattr(equality_proof, "CHALLENGE_BITS", 8)
    proof = guessed(TRIES)
    assert proof is not None
    assert verify(proof, false_statement())


# ── c-split: one long challenge is enough only where nobody knows the group's order ──


def wrong_by_a_root(n: mpz, order: int, p: mpz) -> mpz:
    """An element of small odd order modulo p, 1 modulo n/p: only who knows p finds it."""
    q = n // p
    root = next(r for g in range(2, 1000) if (r := gmpy2.powmod(g, (p - 1) // order, p)) != 1)
    return (root * q * gmpy2.invert(q, p) + p * gmpy2.invert(p, q)) % n


def tries_until_a_wrong_value_passes(limit: int) -> int | None:
    p, q, order = mpz(1_000_003), mpz(1_000_039), 3  # 3 divides p - 1
    n = p * q
    assert (p - 1) % order == 0
    omega, x, u, g = wrong_by_a_root(n, order, p), mpz(123_456_789), mpz(4), mpz(9)
    value, wrong = gmpy2.powmod(u, x, n), gmpy2.powmod(g, x, n) * omega % n
    assert gmpy2.powmod(wrong, 2, n) != gmpy2.powmod(g, 2 * x, n)
    for k in range(limit):
        false = EqualPowers(u, value, [g], [wrong], n, n, context=bytes([k]))
        if verify(prove(x, false, Stream.derive(seed_of("c-split"), k)), false):
            return k
    return None


def test_who_knows_the_factors_proves_a_wrong_value_in_a_few_tries():
    """Why N is made jointly before anything is proved modulo N: no member can do this."""
    assert tries_until_a_wrong_value_passes(60) is not None


def test_without_an_element_of_small_order_no_try_succeeds():
    """The same wrong value by a factor of unknown order: 2 instead of a root of unity."""
    n, x, u, g = toy_epoch(5, 3).key.n, mpz(123_456_789), mpz(4), mpz(9)
    value, wrong = gmpy2.powmod(u, x, n), gmpy2.powmod(g, x, n) * 2 % n
    for k in range(60):
        false = EqualPowers(u, value, [g], [wrong], n, n, context=bytes([k]))
        assert not verify(prove(x, false, Stream.derive(seed_of("c-split"), k)), false)
