"""Commitments to the coefficients of an integer polynomial, against which shares are checked.

u^f(i) = ∏ (u^(a_k))^(i^k) mod N. In a group of unknown order equality shows f(i) = Σ a_k·i^k up to
a multiple of u's order, and nobody knows one who cannot factor N.

Source: Feldman, FOCS 1987, §3, over the integers.
"""

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz


def commit(polynomial: Sequence[mpz], u: mpz, n: mpz) -> list[mpz]:
    """u^a mod N for each coefficient, from the constant upwards."""
    return [gmpy2.powmod(u, coefficient, n) for coefficient in polynomial]


def commitment_at(commitments: Sequence[mpz], member: int, n: mpz) -> mpz:
    """u^f(member) mod N, from the commitments alone."""
    value = mpz(1)
    for commitment in reversed(commitments):
        value = gmpy2.powmod(value, member, n) * commitment % n
    return value


def add(commitments: Sequence[Sequence[mpz]], n: mpz) -> list[mpz]:
    """Commitments to the sum of several dealers' polynomials of one degree."""
    total = [mpz(1)] * len(commitments[0])
    for row in commitments:
        total = [a * b % n for a, b in zip(total, row, strict=True)]
    return total


def fits(point: mpz, commitments: Sequence[mpz], member: int, u: mpz, n: mpz) -> bool:
    """Whether a member's share is the point of the polynomial that was committed to."""
    return bool(gmpy2.powmod(u, point, n) == commitment_at(commitments, member, n))
