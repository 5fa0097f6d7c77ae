"""One proof that many values are powers of their bases with one secret exponent.

Shown, for value and values[k] modulo N or N², N = p·q with p ≡ q ≡ 3 (mod 4):

    value² = base^(2e)  and  values[k]² = bases[k]^(2e)   for one integer e, for every k.

Chaum and Pedersen's proof over the integers, as the order of the group is not known:

    t_k = H(statement, k)         128 bits      G = ∏ bases[k]^(2·t_k),  V = ∏ values[k]^(2·t_k)
    r uniform in [L, L + B·2^256)               B the bound of |e|, L = (2^128 - 1)·(B - 1)
    a = base^(2r),  b = G^r,  c = H(statement, a, b)  128 bits,  z = r - c·e,  the proof is (c, z)
    verified by  c = H(statement, base^(2z)·value^(2c), G^z·V^c)  and  0 <= z < B·2^256 + 2L

L is the longest that c·e can be, so z is never negative and both ends of its range are reached; z
is within 2^-128 of a distribution that does not depend on e.

What it does not show:
- Signs, or any factor of order 2: -values[k] passes where values[k] does. The squares have odd
  order, and whoever reads a value must square it.
- That |e| < B. Two answers to one (a, b) give e = (z - z')/(c' - c), so |e| < B·2^256 + 2L.
- Anything about a prover who can name an element of small odd order r in Z*_N: values wrong by
  such a factor pass one time in r, for the challenge as for the t_k. If its orders modulo p and q
  differ, one gcd gives p; computing and proving a wrong value is as hard as factoring N [Tiresias,
  abstract]. The primes of a ceremony are not safe primes, so such elements do exist.
- Anything if base is one that the prover chose. It is a hashed one, or fixed before e is.

Source: Friedman, Marmor, Mutzari, Scaly, Spiizer, Yanai, "Tiresias: Large Scale, Maliciously Secure
Threshold Paillier", eprint 2023/998: Protocol 4.1 (§4.2) and its batched form, Protocol 4.2 (§4.4),
as in its authors' implementation: r of 2·128 bits more than e, t_k and c of 128 bits, z = r - c·e,
all numbers squared first, a square 0 refused. Batching by short random exponents: Bellare, Garay,
Rabin, EUROCRYPT 1998, §3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from keyshare.digest import digest, number_bytes
from keyshare.power_product import power_product
from keyshare.randomness import Stream

CHALLENGE_BITS = 128
STATISTICAL_BITS = 128


@dataclass(frozen=True)
class EqualityProof:
    """(c, z), for the ranges that the module's equations give."""

    challenge: mpz
    response: mpz


@dataclass(frozen=True)
class _Statement:
    """What is proven, squared and batched: first = base², second = G, with their powers."""

    digest: bytes
    first: mpz
    first_power: mpz
    second: mpz
    second_power: mpz

    def challenge(self, first_commitment: mpz, second_commitment: mpz) -> mpz:
        """c = H(statement, a, b)."""
        commitments = number_bytes(first_commitment), number_bytes(second_commitment)
        data = digest("quorate/equality-proof/challenge", self.digest, *commitments)
        return mpz(int.from_bytes(data[: CHALLENGE_BITS // 8], "big"))


def longest_response(bound: mpz) -> mpz:
    """The largest z of an honest prover, B·2^256 + 2L - 1; the smallest is 0."""
    return (bound << (CHALLENGE_BITS + STATISTICAL_BITS)) + 2 * _reach(bound) - 1


def prove(
    exponent: mpz,
    base: mpz,
    value: mpz,
    bases: Sequence[mpz],
    values: Sequence[mpz],
    modulus: mpz,
    bound: mpz,
    context: bytes,
    stream: Stream,
) -> EqualityProof:
    """The proof for value = base^exponent and values[k] = bases[k]^exponent, which is not checked.

    exponent: |exponent| < bound; modulus: N or N²; all other numbers: units in [1, modulus), one
    pair (bases[k], values[k]) at least; context: what the proof is bound to. 32 bytes are drawn
    from the stream. Raises ValueError for an exponent out of range or a malformed statement.
    """
    if not -bound < exponent < bound:
        raise ValueError("the exponent is not below its bound")
    statement = _statement(base, value, bases, values, modulus, bound, context)
    if statement is None:
        raise ValueError("values that no exponent fits, or not as many as bases")
    # Hashed with the statement: a stream that is drawn from again for another one gives another r.
    nonce = Stream.derive(stream.bytes(32), "equality proof", statement.digest)
    r = _reach(bound) + nonce.below(bound << (CHALLENGE_BITS + STATISTICAL_BITS))
    challenge = statement.challenge(
        gmpy2.powmod(statement.first, r, modulus), gmpy2.powmod(statement.second, r, modulus)
    )
    return EqualityProof(challenge, r - challenge * exponent)


def verify(
    proof: EqualityProof,
    base: mpz,
    value: mpz,
    bases: Sequence[mpz],
    values: Sequence[mpz],
    modulus: mpz,
    bound: mpz,
    context: bytes,
) -> bool:
    """Whether the proof shows that all values have one exponent, up to signs; see the module.

    c = H(statement, base^(2z)·value^(2c), ∏ bases[k]^(2·t_k·z) · ∏ values[k]^(2·t_k·c))

    modulus and bound: the verifier's own, bound >= 1. False, too, for an empty batch (its proof
    would say that somebody knows e, and nothing of any other value), for lists of different
    lengths, and for a number that is no unit in [1, modulus).
    """
    if not 0 <= proof.challenge < mpz(1) << CHALLENGE_BITS:
        return False
    if not 0 <= proof.response <= longest_response(bound):
        return False
    statement = _statement(base, value, bases, values, modulus, bound, context)
    if statement is None:
        return False
    c, z = proof.challenge, proof.response
    a = gmpy2.powmod(statement.first, z, modulus) * gmpy2.powmod(statement.first_power, c, modulus)
    b = gmpy2.powmod(statement.second, z, modulus) * gmpy2.powmod(
        statement.second_power, c, modulus
    )
    return bool(c == statement.challenge(a % modulus, b % modulus))


def _reach(bound: mpz) -> mpz:
    """L, the longest |c·e|."""
    return ((mpz(1) << CHALLENGE_BITS) - 1) * (bound - 1)


def _statement(
    base: mpz,
    value: mpz,
    bases: Sequence[mpz],
    values: Sequence[mpz],
    modulus: mpz,
    bound: mpz,
    context: bytes,
) -> _Statement | None:
    """The statement, hashed and batched; None if it has no pair, or a number that is no unit."""
    if not bases or len(bases) != len(values):
        return None
    if not _are_units((base, value, *bases, *values), modulus):
        return None
    hashed = digest(
        "quorate/equality-proof/statement",
        context,
        *map(number_bytes, (modulus, bound, base, value)),
        digest("quorate/equality-proof/bases", *map(number_bytes, bases)),
        digest("quorate/equality-proof/values", *map(number_bytes, values)),
    )
    coefficients = _coefficients(hashed, len(bases))
    return _Statement(
        hashed,
        base * base % modulus,
        value * value % modulus,
        gmpy2.powmod(power_product(bases, coefficients, modulus), 2, modulus),
        gmpy2.powmod(power_product(values, coefficients, modulus), 2, modulus),
    )


def _are_units(numbers: Sequence[mpz], modulus: mpz) -> bool:
    """Whether all lie in [1, modulus) and are coprime to it.

    A multiple of p has powers that say nothing modulo p, and N has the square 0 modulo N², which
    would fit every exponent.
    """
    product = mpz(1)
    for number in numbers:
        if not 0 < number < modulus:
            return False
        product = product * number % modulus
    return bool(gmpy2.gcd(product, modulus) == 1)


def _coefficients(statement: bytes, count: int) -> list[mpz]:
    """t_k, hashed from the whole statement."""
    size = CHALLENGE_BITS // 8
    key = digest("quorate/equality-proof/coefficients", statement)
    data = hashlib.shake_256(key).digest(size * count)
    return [mpz(int.from_bytes(data[k : k + size], "big")) for k in range(0, len(data), size)]
