"""Shamir's secret sharing over a field and over the integers.

Members have the points 1..n. Over the integers, Lagrange coefficients are cleared of denominators
by Δ = n!. Sharings of whole batches over a field are in ``keyshare.ceremony.modulus``.

Sources: Shamir, "How to share a secret" (1979); Shoup, "Practical threshold signatures"
(EUROCRYPT 2000), §2.2 for Δ·λ.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadIndices
from keyshare.randomness import Stream


def integer_polynomial(
    secret: mpz, degree: int, coefficient_bound: mpz, stream: Stream
) -> list[mpz]:
    """A random f over the integers, f(0) = secret, coefficients in [0, coefficient_bound)."""
    return [secret, *(stream.below(coefficient_bound) for _ in range(degree))]


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


def checked(indices: Iterable[int]) -> list[int]:
    """The indices in order; raises BadIndices unless they are distinct and at least 1."""
    chosen = sorted(indices)
    if not chosen or chosen[0] < 1 or len(set(chosen)) != len(chosen):
        raise BadIndices(chosen)
    return chosen
