"""Are the test exponents of N those that follow from the factor shares that were dealt?

p and q are dealt before anybody knows N; the dealers tell, and share over the integers, their test
exponents x_i only when N is known. A dealer that could factor N, a product of several primes, would
choose an x_i with which it passes every test. So each member j posts its point of

    D(j) = Δ·(N+1 - P(j) - Q(j)) - 4·(Δφ/4)(j)   mod P

with P(j), Q(j) as dealt over F_P and (Δφ/4)(j) the integer from which θ' will be made. Every honest
dealer's part of D has degree t and is 0 at 0, so that D as a whole must. The points of t+1 honest
members fix it, whatever the others post. docs/security/ceremony.md has what follows.
"""

from collections.abc import Mapping

from gmpy2 import mpz

from keyshare.ceremony import lagrange
from keyshare.key.threshold_key import KeyShape, sliding_quorums


def part(
    is_lead: bool, p_point: mpz, q_point: mpz, exponent_point: mpz, shape: KeyShape, prime: mpz
) -> mpz:
    """A dealer's part of D(j), in [0, P): the parts of all dealers of N add up to D(j).

    p_point, q_point: member j's points of p_i and q_i over F_P; exponent_point: its point of Δ·x_i,
    an integer, far above P for many members. For the lead Δ·(N+1 - P_i(j) - Q_i(j)) - 4·(Δx_i)(j),
    for the others 4·(Δx_i)(j) - Δ·(P_i(j) + Q_i(j)).
    """
    dealt = shape.delta * (p_point + q_point)
    if is_lead:
        return (shape.delta * (shape.n + 1) - dealt - 4 * exponent_point) % prime
    return (4 * exponent_point - dealt) % prime


def vanishes(points: Mapping[int, mpz], degree: int, prime: mpz) -> bool:
    """Whether the points lie on one polynomial over F_P of at most this degree that is 0 at 0.

    points: member index -> value. Any degree+1 neighbours give the value at 0; the next ones share
    ``degree`` of these points and the 0, and therefore the polynomial. Of degree or fewer points it
    is always true.
    """
    return all(
        sum((weight * points[j] for j, weight in lagrange(window, prime).items()), mpz(0)) % prime
        == 0
        for window in sliding_quorums(sorted(points), degree + 1)
    )
