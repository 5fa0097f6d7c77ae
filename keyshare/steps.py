"""Long computations in steps: a generator that rests now and then, and returns what it has found.

Who must answer others meanwhile takes a step at a time. Who need not calls ``finish``.
"""

from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]

# Numbers that a step works on. A factor of a product of powers is the dearest of what is done to
# one: some 1.2 ms modulo N² at 3072 bits.
NUMBERS_A_STEP = 128


def finish(steps: Steps[T]) -> T:
    """What all the steps together come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def parts(count: int) -> Iterator[slice]:
    """The places of ``count`` numbers, as many at a time as a step takes."""
    return (slice(k, k + NUMBERS_A_STEP) for k in range(0, count, NUMBERS_A_STEP))
