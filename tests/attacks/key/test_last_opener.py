"""The last one to open its share of N makes the sum its own modulus, of which it knows the factors.

Gennaro, Jarecki, Krawczyk, Rabin, "Secure distributed key generation for discrete-log based
cryptosystems", EUROCRYPT 1999: a party that has seen the others' parts of a key biases it.

The attacker leads the first class of candidates. Its modulus has factors p' with p'-1 smooth, so
that it finds the other dealers' test exponents from their screen values, and then one of its own
that makes every test pass, and the shared φ the right one.
"""

from math import prod

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.randomness import Stream
from protocol.ceremony import commitment, dealt_exponents
from protocol.ceremony.dealt_exponents import DEALT
from protocol.ceremony.machine import UnsealedStep
from protocol.encoding import pack_numbers, unpack_numbers, width_of
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    PLAN,
    Malicious,
    assert_caught,
    at_table,
    certified_modulus,
    decrypted_alone,
)
from tests.stage.toy import seed_of

ATTACKER = 1  # the lead of class 0; candidate 0 is the first to be tested
NONCE = 32
_STREAM = Stream.derive(seed_of("last opener"), "primes")


def smooth_prime(parts: list[int], bits: int) -> mpz:
    """A prime p = 2·∏(some of the parts) + 1 in [7·2^(bits-3), 2^bits)."""
    low, high = mpz(7) << (bits - 3), mpz(1) << bits
    while True:
        product, left = mpz(2), list(parts)
        while product < low:
            product *= left.pop(int(_STREAM.below(mpz(len(left)))))
        if product + 1 < high and gmpy2.is_prime(product + 1):
            return product + 1


ODD_PRIMES = [r for r in range(3, 1 << 10) if gmpy2.is_prime(r)]
TWO = tuple(smooth_prime(ODD_PRIMES[k::2], 128) for k in range(2))
FOUR = tuple(smooth_prime(ODD_PRIMES[k::4], 64) for k in range(4))


def discrete_logarithm(value: mpz, base: mpz, factors: tuple[mpz, ...]) -> mpz:
    """x modulo the order of base, value = base^x mod ∏ factors [Pohlig, Hellman, 1978]."""
    residue, modulus = mpz(0), mpz(1)
    for prime in factors:
        for r in (r for r in ODD_PRIMES if (prime - 1) % r == 0):
            g, v = (gmpy2.powmod(b, (prime - 1) // r, prime) for b in (base, value))
            if g == 1:
                continue
            power, x = mpz(1), 0
            while power != v:
                power, x = power * g % prime, x + 1
            step = (x - residue) * gmpy2.invert(modulus, r) % r
            residue, modulus = residue + modulus * step, modulus * r
    assert modulus > mpz(1) << PLAN.key_bits // 2
    return residue


class LastOpener(Malicious):
    """Opens its shares of the moduli when it knows all others, and its screen values too."""

    speaks_last = frozenset({"moduli", "screen"})
    factors = TWO

    @property
    def n(self) -> mpz:
        """The modulus that it wants."""
        return prod(self.factors)

    @property
    def phi(self) -> mpz:
        """What the members will take for φ."""
        return prod(p - 1 for p in self.factors)

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.batch:
            return honest
        if honest.step.name == "moduli":
            nonce, payload = honest.public[:NONCE], honest.public[NONCE:]
            return UnsealedStep(honest.step, nonce + self._steered(payload), {})
        if honest.step.name == "screen":
            nonce, payload = honest.public[:NONCE], honest.public[NONCE:]
            return UnsealedStep(honest.step, nonce + self._passing(payload), {})
        return honest

    def _steered(self, payload: bytes) -> bytes:
        """Its row with candidate 0 replaced, so that all shares of it add up to Δ times its N."""
        rows = self.run.rows
        others = sum(
            rows.split(rows.decode(said[NONCE : NONCE + rows.size]))[0]
            for said in self.heard.values()
        )
        row = rows.split(rows.decode(payload[: rows.size]))
        row[0] = (120 * self.n - others) % rows.prime
        return rows.encode(rows.join(row)) + payload[rows.size :]

    def _passing(self, payload: bytes) -> bytes:
        """Its screen values, the first of them that of an exponent that makes candidate 0 pass."""
        run, width = self.run, width_of(mpz(1) << PLAN.key_bits)
        if run.batch.moduli[0] != self.n:
            return payload
        exponent = self.phi // 4
        for i in run.layout.dealers(0)[1:]:
            value = mpz(int.from_bytes(self.heard[i][NONCE : NONCE + width], "big"))
            exponent += discrete_logarithm(value, mpz(4), self.factors)
        true = run.test_exponent
        run.test_exponent = lambda k: exponent if k == 0 else true(k)  # type: ignore[assignment]
        numbers = unpack_numbers(
            payload, width, len(payload) // width, mpz(1) << PLAN.key_bits, "screen"
        )
        numbers[0] = gmpy2.powmod(4, exponent, self.n)
        return pack_numbers(numbers, width)


class Composer(LastOpener):
    """Its modulus is a product of four primes: who knows the factors passes all tests with any."""

    factors = FOUR


@EITHER_WAY
def test_a_last_opener_opens_what_it_did_not_commit_to(play):
    aftermath = play({ATTACKER: LastOpener})
    assert_caught(aftermath, ATTACKER)
    assert "did not commit" in str(aftermath.failures[2])


@pytest.mark.parametrize("attacker", [LastOpener, Composer])
def test_were_there_no_commitments_its_exponent_is_still_not_the_one_that_was_dealt(
    attacker, monkeypatch
):
    monkeypatch.setattr(commitment, "commitment_to", lambda *said: bytes(32))
    aftermath = at_table({ATTACKER: attacker})
    assert_caught(aftermath, ATTACKER)
    assert {failure.step for failure in aftermath.failures.values()} == {DEALT}


@EITHER_WAY
@pytest.mark.parametrize("attacker", [LastOpener, Composer])
def test_without_commitments_and_that_check_the_joint_key_is_the_last_openers(
    play, attacker, monkeypatch
):
    monkeypatch.setattr(commitment, "commitment_to", lambda *said: bytes(32))
    monkeypatch.setattr(dealt_exponents, "vanishes", lambda *points: True)
    aftermath = play({ATTACKER: attacker})
    n = certified_modulus(aftermath)
    assert n == prod(attacker.factors)
    assert decrypted_alone(n, prod(p - 1 for p in attacker.factors)) == 42
