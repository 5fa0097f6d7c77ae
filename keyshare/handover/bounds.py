"""The constants of a handover, and how far shares of one secret can lie apart.

An adversary knows quorum-1 points of the old polynomial P, those of the members C. Two secrets that
it cannot tell apart differ by N·Λ³·δ. Then P differs by d(x) = -Λ³·δ·∏_(j in C) (1 - x/j), and the
mask ρ_i of a dealer i of D by λ_i·d(i)/Λ, where λ_i is its Lagrange coefficient at 0 over D. So
these have to be integers, and their size is what ρ_i has to hide. Derived in
docs/security/handover.md.
"""

from functools import lru_cache
from math import factorial

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import MAX_MEMBERS
from keyshare.errors import BadParameters

# Λ, for every roster that there can be: λ_i·(1 - i/j)… has a denominator that divides
# (n-1)!·n!, and ∏ (1 - x/j) has coefficients in Z/n!. The 2 makes all of B_i even (``dealing``).
# It is part of every key that was handed over: another MAX_MEMBERS would need keys of another form.
LAMBDA = mpz(2 * factorial(MAX_MEMBERS))


def normal_factor(first_members: int) -> mpz:
    """c = Λ³/n₁!, by which a ceremony's θ', shares and polynomial are multiplied.

    A ceremony's secret is a multiple of n₁!·φ, of (n₁!)²·φ only if all its dealers were honest:
    nothing shows that the constant of a sharing of β is a multiple of n₁!. first_members: n₁.
    """
    return LAMBDA**3 // factorial(checked_roster(first_members))


def checked_roster(n_members: int) -> int:
    """The number itself; raises BadParameters unless it is 2 to MAX_MEMBERS."""
    if not 2 <= n_members <= MAX_MEMBERS:
        raise BadParameters("members", n_members, f"2 to {MAX_MEMBERS}")
    return n_members


def checked_quorum(quorum: int, n_members: int) -> int:
    """The number itself; raises BadParameters unless it is 2 to ``n_members``."""
    if not 2 <= quorum <= checked_roster(n_members):
        raise BadParameters("quorum", quorum, f"2 to {n_members}")
    return quorum


@lru_cache(maxsize=256)
def spread(n_members: int, quorum: int) -> mpz:
    """G, above |λ_i·∏_(j in C) (1 - i/j)| for every member i, dealers D with i and C without it.

    |D| = quorum, |C| = quorum-1. λ_i is ∏ m/(m-i) over the other dealers, so that both products
    take the quorum-1 largest of their factors. 46 for 3 of 5, 2^28 for 9 of 16.
    """
    checked_quorum(quorum, n_members)
    largest = gmpy2.mpq(0)
    for i in range(1, n_members + 1):
        ratios = [gmpy2.mpq(j, abs(j - i)) for j in range(1, n_members + 1) if j != i]
        product = gmpy2.mpq(1)
        for factor in _top(ratios, quorum - 1) + _top([1 / r for r in ratios], quorum - 1):
            product *= factor
        largest = max(largest, product)
    return mpz(largest) + 1


def _top(factors: list[gmpy2.mpq], count: int) -> list[gmpy2.mpq]:
    return sorted(factors, reverse=True)[:count]
