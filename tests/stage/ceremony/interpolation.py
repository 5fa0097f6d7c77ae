"""Polynomials through given points, by the formula that the code under test does not use."""

from collections.abc import Callable, Mapping
from math import prod

import gmpy2
from gmpy2 import mpz


def through(points: Mapping[int, mpz], modulus: mpz) -> Callable[[int], mpz]:
    """The polynomial of lowest degree through the points; no prime of the modulus is below them."""

    def at(x: int) -> mpz:
        total = mpz(0)
        for i, y in points.items():
            above, below = (prod(a - j for j in points.keys() - {i}) for a in (x, i))
            total += y * above * gmpy2.invert(below, modulus)
        return total % modulus

    return at
