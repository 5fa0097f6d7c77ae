"""Candidates for the factors of N, drawn by all members together and known to none.

p = Σ p_i over the integers, where the sum modulo M = ∏ (primes in (n, B]) is a product of secret
units: every candidate is coprime to every prime up to B, and none is thrown away for it. Primes up
to n and the residue mod 4 are fixed by member 1, whose share alone is not a multiple of them.

Sources: Boneh, Franklin, J. ACM 48(4), 2001, §2 (additive shares, p ≡ q ≡ 3 mod 4); Malkin, Wu,
Boneh, NDSS 1999, §3 (distributed sieving by a product of units).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadParameters
from keyshare.randomness import Stream

TRIAL_BOUND = 1 << 17  # public trial division of N, beyond what sampling already excludes
MIN_BITS, MAX_BITS = 256, 4096
MIN_MEMBERS, MAX_MEMBERS = 3, 16
# Exponents of Mersenne primes: the smallest 2^e - 1 above a range is the field to compute in.
_MERSENNE = (521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689, 9941, 11213, 19937)


@dataclass(frozen=True)
class CandidateShape:
    """Ranges of the factor shares for a key of ``bits`` bits among ``n_members``.

    p_i = (residue mod units·fixed) + units·fixed·r_i with 0 <= r_i < span, and member 1 adds
    ``base``, so that 3·2^(k-2) <= p < 2^k with k = bits/2, and N has exactly ``bits`` bits.
    """

    bits: int
    n_members: int
    fixed: mpz  # 4·∏ (odd primes <= n): residues chosen by member 1
    units: mpz  # M = ∏ (primes in (n, sampling_bound])
    sampling_bound: int
    span: mpz
    base: mpz
    field: mpz  # prime > 2^bits, for the multiplication of p and q

    @property
    def degree(self) -> int:
        """t: so many members together learn nothing; products have degree 2t <= n - 1."""
        return (self.n_members - 1) // 2


@lru_cache(maxsize=64)
def candidate_shape(bits: int, n_members: int) -> CandidateShape:
    """Shape of the candidates; the sampling bound B is as large as bits/2 leaves room for.

    Raises BadParameters unless bits is even in [256, 4096] and n_members in [3, 16].
    """
    if bits % 2 or not MIN_BITS <= bits <= MAX_BITS:
        raise BadParameters("key bits", bits, f"even, {MIN_BITS} to {MAX_BITS}")
    if not MIN_MEMBERS <= n_members <= MAX_MEMBERS:
        raise BadParameters("members", n_members, f"{MIN_MEMBERS} to {MAX_MEMBERS}")
    top = mpz(1) << (bits // 2 - 2)  # room above 3·2^(k-2)
    fixed, prime = mpz(4), 3
    while prime <= n_members:
        fixed *= prime
        prime = int(gmpy2.next_prime(prime))
    units, bound = mpz(1), prime
    while units * fixed * prime * (2 * n_members + 1) <= top:
        units *= prime
        bound = prime
        prime = int(gmpy2.next_prime(prime))
    step = units * fixed
    span = (top // step - 1) // n_members
    base = -(-3 * top // step) * step
    return CandidateShape(
        bits, n_members, fixed, units, bound, span, base, mersenne_prime(mpz(1) << bits)
    )


def mersenne_prime(bound: mpz) -> mpz:
    """The smallest of the known Mersenne primes above ``bound``."""
    for exponent in _MERSENNE:
        if (prime := (mpz(1) << exponent) - 1) > bound:
            return prime
    raise BadParameters("field bits", bound.bit_length(), f"below {_MERSENNE[-1]}")


def factor_share(index: int, residue: mpz, shape: CandidateShape, stream: Stream) -> mpz:
    """A member's additive share p_i of a factor from its additive share of p mod M.

    p_i ≡ residue (mod M); p_i ≡ 0 (mod fixed) for all but member 1, whose share is 3 mod 4 and a
    unit for every odd prime up to n.
    """
    target = mpz(0) if index > 1 else _fixed_residue(shape.fixed, stream)
    inverse = gmpy2.invert(shape.units, shape.fixed)
    lifted = residue + shape.units * ((target - residue) * inverse % shape.fixed)
    share = lifted + shape.units * shape.fixed * stream.below(shape.span)
    return share + shape.base if index == 1 else share


def _fixed_residue(fixed: mpz, stream: Stream) -> mpz:
    while True:
        value = 4 * stream.below(fixed // 4) + 3
        if gmpy2.gcd(value, fixed) == 1:
            return value


@lru_cache(maxsize=16)
def _trial_primorial(bound_below: int, bound: int) -> mpz:
    return gmpy2.primorial(bound) // gmpy2.primorial(bound_below)


def survives_trial_division(n: mpz, shape: CandidateShape) -> bool:
    """Whether N has the right length and no prime factor up to TRIAL_BOUND."""
    if n.bit_length() != shape.bits or n % 4 != 1:
        return False
    return bool(gmpy2.gcd(n, _trial_primorial(1, TRIAL_BOUND) % n) == 1)


def survivors(moduli: Sequence[mpz], shape: CandidateShape) -> list[int]:
    """Positions of the candidates that are worth a biprimality test."""
    return [k for k, n in enumerate(moduli) if survives_trial_division(n, shape)]


def expected_candidates(bits: int, n_members: int) -> float:
    """Mean number of candidate pairs until both factors are prime: 1/P², P as below."""
    return 1 / _prime_probability(bits, candidate_shape(bits, n_members).sampling_bound) ** 2


def expected_tests(bits: int, n_members: int) -> float:
    """Mean number of candidates that reach the first biprimality round."""
    bound = max(TRIAL_BOUND, candidate_shape(bits, n_members).sampling_bound)
    return 1 / _prime_probability(bits, bound) ** 2


@lru_cache(maxsize=64)
def _prime_probability(bits: int, bound: int) -> float:
    """P(p prime | no factor up to ``bound``) = ∏ r/(r-1) / ln p, over primes r (Mertens)."""
    density, prime = 1.0, 2
    while prime <= bound:
        density *= prime / (prime - 1)
        prime = int(gmpy2.next_prime(prime))
    return min(1.0, density / (math.log(2) * (bits / 2 - 0.2)))
