"""Linear algebra by elimination, over the rationals or modulo a prime."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

Rows = list[list[Any]]


def reduced(rows: Sequence[Sequence[Any]], columns: int, prime: Any = None) -> tuple[Rows, Rows]:
    """Rows in echelon form in the first columns, and those that are 0 there.

    Over the rationals, unless a prime is given.
    """

    def element(x: Any) -> Any:
        return Fraction(x) if prime is None else x % prime

    left, done = [[element(x) for x in row] for row in rows], Rows()
    for column in range(columns):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        inverse = pow(pivot[column], -1, prime)
        pivot = [element(x * inverse) for x in pivot]
        done.append(pivot)
        left = [
            [element(a - row[column] * b) for a, b in zip(row, pivot, strict=True)]
            if row[column]
            else row
            for row in left
        ]
    return done, left


def rank(rows: Sequence[Sequence[Any]], prime: Any = None) -> int:
    """Of a matrix."""
    return len(reduced(rows, len(rows[0]), prime)[0]) if rows else 0
