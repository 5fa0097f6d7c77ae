"""Shamir's secret sharing over a field, over Z_M and over the integers.

Members have the points 1..n. Over Z_M the scheme works as soon as every prime factor of M exceeds
n, because the differences of points are then units; over the integers, Lagrange coefficients are
cleared of denominators by Δ = n!.

Sources: Shamir, "How to share a secret" (1979); Shoup, "Practical threshold signatures"
(EUROCRYPT 2000), §2.2 for Δ·λ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadIndices
from keyshare.randomness import Stream


def deal(secret: mpz, degree: int, n_members: int, modulus: mpz, stream: Stream) -> list[mpz]:
    """Shares f(1), …, f(n) mod ``modulus`` of a random f of the given degree, f(0) = secret."""
    polynomial = [secret, *(stream.below(modulus) for _ in range(degree))]
    return [evaluate(polynomial, point) % modulus for point in range(1, n_members + 1)]


def deal_integer(
    secret: mpz, degree: int, n_members: int, coefficient_bound: mpz, stream: Stream
) -> list[mpz]:
    """Shares f(1), …, f(n) over the integers, coefficients drawn from [0, coefficient_bound)."""
    polynomial = [secret, *(stream.below(coefficient_bound) for _ in range(degree))]
    return [evaluate(polynomial, point) for point in range(1, n_members + 1)]


def evaluate(polynomial: Sequence[mpz], point: int) -> mpz:
    """f(point) over the integers, coefficients from the constant upwards."""
    value = mpz(0)
    for coefficient in reversed(polynomial):
        value = value * point + coefficient
    return value


def lagrange(indices: Iterable[int], modulus: mpz) -> dict[int, mpz]:
    """λ_i with f(0) = Σ λ_i·f(i) mod ``modulus``, for f of degree below the number of indices."""
    return _lagrange(tuple(checked(indices)), modulus)


@lru_cache(maxsize=256)
def _lagrange(indices: tuple[int, ...], modulus: mpz) -> dict[int, mpz]:
    coefficients = {}
    for i in indices:
        numerator, denominator = _fraction(i, indices)
        coefficients[i] = numerator * gmpy2.invert(denominator, modulus) % modulus
    return coefficients


def integer_lagrange(indices: Iterable[int], delta: mpz) -> dict[int, mpz]:
    """μ_i = Δ·λ_i with Δ·f(0) = Σ μ_i·f(i); integers, since Δ = n! [Shoup 2000, §2.2]."""
    chosen = tuple(checked(indices))
    coefficients = {}
    for i in chosen:
        numerator, denominator = _fraction(i, chosen)
        quotient, remainder = gmpy2.f_divmod(delta * numerator, denominator)
        if remainder:
            raise BadIndices(list(chosen))
        coefficients[i] = quotient
    return coefficients


def _fraction(i: int, indices: Sequence[int]) -> tuple[mpz, mpz]:
    numerator, denominator = mpz(1), mpz(1)
    for j in indices:
        if j != i:
            numerator *= j
            denominator *= j - i
    return numerator, denominator


def reconstruct(shares: Mapping[int, mpz], modulus: mpz) -> mpz:
    """f(0) mod ``modulus`` from the shares of at least degree + 1 members."""
    coefficients = lagrange(sorted(shares), modulus)
    return sum((coefficients[i] * share for i, share in shares.items()), mpz(0)) % modulus


def checked(indices: Iterable[int]) -> list[int]:
    """The indices in order; raises BadIndices unless they are distinct and at least 1."""
    chosen = sorted(indices)
    if not chosen or chosen[0] < 1 or len(set(chosen)) != len(chosen):
        raise BadIndices(chosen)
    return chosen


def zero_share(sent: Iterable[Stream], received: Iterable[Stream], modulus: mpz) -> mpz:
    """One member's additive share of zero, from the keys that each pair of members has in common.

    z_i = Σ_j PRF(k_{i→j}) - Σ_j PRF(k_{j→i}) mod ``modulus``; the z_i of all members add up to 0,
    and those of any set but all are uniform for who lacks two of the members' keys
    [Cramer, Damgård, Ishai, TCC 2005, §3, additive case].
    """
    total = sum((stream.below(modulus) for stream in sent), mpz(0))
    total -= sum((stream.below(modulus) for stream in received), mpz(0))
    return total % modulus
