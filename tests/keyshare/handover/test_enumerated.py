"""Toy handovers of which every draw is enumerated: how far apart are the views of two secrets?

The numbers are tiny, with a Λ of their own and ranges K times what they hide for K = 2, 4, ….
Nothing of the code is used: this checks what it rests on.
"""

from collections import Counter
from fractions import Fraction
from itertools import product
from math import factorial

import pytest

from tests.keyshare.handover.histories import at, lagrange_at, vanishing

View = tuple[int, ...]


class Toy:
    """Two of n, handed over to two of two: member i of D is honest, the one in C corrupted.

    Before: P(C) and θ' are known. Then i says e_i, and seals B_i(1) to the corrupted new member 1.
    The secret S is that of P(0) = 0, the other one S + N·M·δ that of P(0) = -M·δ.
    """

    def __init__(self, n: int, lam: int, dealers: tuple[int, int], corrupted: int) -> None:
        self.delta, self.lam, self.dealers = factorial(n), lam, dealers
        self.i = next(i for i in dealers if i != corrupted)
        self.weight = lagrange_at(0, dealers, self.i)
        self.move = self.weight * at(vanishing([corrupted]), self.i)  # λ_i·(1 - i/j)

    def shift(self, multiple: int) -> Fraction:
        """Of ρ_i, where P(0) moves by -multiple."""
        return -self.move * multiple / self.lam

    def ranges(self, multiple: int, hiding: int) -> tuple[int, int]:
        """b and B', so many times the shifts of ρ_i and of b_(i,1)."""
        most = abs(self.shift(multiple))
        assert most.denominator == 1
        return hiding * int(most), hiding * self.lam * int(most)

    def views(self, multiple: int, masks: int, coefficients: int) -> Counter[View]:
        """Of the secret for which P(0) = -multiple; P(i) follows, as P(C) is known to be 0."""
        point = -self.move / self.weight * multiple
        assert point.denominator == 1
        weighted = self.delta * self.weight * point
        found = Counter[View]()
        for rho, b in product(range(masks), range(coefficients)):
            e = int(weighted) - self.delta * self.lam * rho
            found[e, self.lam * rho + b] += 1
        return found


def distance(one: Counter[View], other: Counter[View]) -> Fraction:
    """The statistical distance of two enumerations of the same number of draws."""
    total = sum(one.values())
    assert total == sum(other.values())
    return Fraction(sum(abs(one[v] - other[v]) for v in one.keys() | other.keys()), 2 * total)


def overlap(part: Fraction, size: int) -> Fraction:
    """The part of a range that a shift leaves in it."""
    return max(Fraction(0), 1 - abs(part) / size)


@pytest.mark.parametrize("hiding", [2, 4, 8])
@pytest.mark.parametrize("lam", [2, 4])
def test_views_of_two_members_are_as_close_as_the_argument_says(lam, hiding):
    toy = Toy(2, lam, (1, 2), 1)
    shift = toy.shift(lam**3)
    b, most = toy.ranges(lam**3, hiding)
    found = distance(toy.views(0, b, most), toy.views(lam**3, b, most))
    kept = overlap(shift, b) * overlap(lam * shift, most)
    assert found == 1 - kept <= Fraction(2, hiding)
    assert found > 0


THREE = [
    (dealers, corrupted)
    for dealers in ((1, 2), (1, 3), (2, 3))
    for corrupted in (1, 2, 3)
    if corrupted in dealers
]


@pytest.mark.parametrize(("dealers", "corrupted"), THREE)
def test_views_of_three_members_are_as_close_as_the_argument_says(dealers, corrupted):
    """Λ = 2, and a multiple that the denominators of λ_i and of 1 - i/j divide."""
    toy, multiple = Toy(3, 2, dealers, corrupted), 24
    b, most = toy.ranges(multiple, 4)
    found = distance(toy.views(0, b, most), toy.views(multiple, b, most))
    assert found == 1 - Fraction(3, 4) ** 2


def test_a_secret_that_is_no_multiple_of_enough_shows_in_a_residue():
    """Dealers 1 and 3, corrupted 2: λ_1·(1 - 1/2) = 3/4. Then e_1 is known modulo Δ·Λ."""
    toy = Toy(3, 2, (1, 3), 2)
    for multiple, seen in ((2, True), (4, True), (8, False), (16, False)):
        found = distance(toy.views(0, 1_000, 30), toy.views(multiple, 1_000, 30))
        assert (found == 1) == seen, multiple


def test_leaks_of_attempts_add_up_and_no_faster_than_their_sum():
    toy = Toy(2, 2, (1, 2), 1)
    b, most = toy.ranges(8, 2)
    views = [toy.views(multiple, b, most) for multiple in (0, 8)]
    pairs = [Counter({(*v, *w): c * d for v, c in x.items() for w, d in x.items()}) for x in views]
    single, twice = distance(*views), distance(*pairs)
    assert single < twice == 1 - (1 - single) ** 2 <= 2 * single


def test_one_draw_for_two_attempts_shows_the_secret_at_once():
    """The same ρ_i under two sets of dealers: e - e' = (μ - μ')·P(i), whatever was drawn."""
    one, other = Toy(3, 2, (1, 2), 2), Toy(3, 2, (1, 3), 2)
    assert one.weight != other.weight
    points = {m: -one.move / one.weight * m for m in (0, 8)}
    seen = {m: (one.weight - other.weight) * one.delta * x for m, x in points.items()}
    assert len(set(seen.values())) == 2
