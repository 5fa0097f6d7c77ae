"""Many elements of F_P, P = 2^e - 1, side by side in one integer.

Adding two such rows, or multiplying one by a small number, is one operation of big-integer
arithmetic for the whole batch instead of one for each candidate; reducing modulo a Mersenne prime
is a shift and an addition. A lane has 40 bits to spare, for sums that are not reduced yet.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from gmpy2 import mpz

from keyshare.errors import BadParameters

_SPARE_BITS = 40


class Lanes:
    """Rows of ``count`` elements of F_P with P = 2^``exponent`` - 1; lane 0 is the lowest."""

    def __init__(self, exponent: int, count: int) -> None:
        self.exponent, self.count = exponent, count
        self.width = (exponent + _SPARE_BITS + 7) // 8  # bytes of a lane
        self.prime = (mpz(1) << exponent) - 1
        self._low = self.repeat(self.prime)
        self._spare = self.repeat((mpz(1) << (8 * self.width - exponent)) - 1)

    @property
    def size(self) -> int:
        """Bytes of an encoded row."""
        return self.width * self.count

    def repeat(self, value: mpz) -> mpz:
        """The row that holds ``value`` in every lane."""
        return self.join(value for _ in range(self.count))

    def join(self, values: Iterable[mpz]) -> mpz:
        """The row of ``count`` numbers, each in [0, 2^(8·width))."""
        return self.decode(b"".join(int(v).to_bytes(self.width, "little") for v in values))

    def split(self, row: mpz) -> list[mpz]:
        """The numbers in the lanes."""
        data, width = self.encode(row), self.width
        return [
            mpz(int.from_bytes(data[k : k + width], "little")) for k in range(0, len(data), width)
        ]

    def at(self, row: mpz, lane: int) -> mpz:
        """The number in one lane."""
        bits = 8 * self.width
        return (row >> bits * lane) & ((mpz(1) << bits) - 1)

    def random(self, chunks: Sequence[bytes]) -> mpz:
        """A row from one chunk of ``width`` random bytes a lane; 2^e - 1 stands for 0."""
        return self.decode(b"".join(chunks)) & self._low

    def expand(self, key: bytes) -> mpz:
        """A pseudorandom row, SHAKE-256 of a secret 32-byte key that serves nothing else."""
        return self.decode(hashlib.shake_256(key).digest(self.size)) & self._low

    def reduce(self, row: mpz) -> mpz:
        """Every lane modulo P, from [0, 2^(e+40)) to [0, P]."""
        for _ in range(2):
            row = (row & self._low) + ((row >> self.exponent) & self._spare)
        return row

    def negate(self, row: mpz) -> mpz:
        """P - x in every lane, of a reduced row."""
        return self._low - row

    def is_reduced(self, row: mpz) -> bool:
        """Whether every lane of an encoded row lies in [0, P]."""
        return not (row >> self.exponent) & self._spare

    def encode(self, row: mpz) -> bytes:
        """``size`` bytes, little-endian."""
        return int(row).to_bytes(self.size, "little")

    def decode(self, data: bytes) -> mpz:
        """The row in ``size`` bytes."""
        return mpz(int.from_bytes(data, "little"))


@lru_cache(maxsize=16)
def lanes(exponent: int, count: int) -> Lanes:
    """The rows of a field and a length; their masks are made once."""
    return Lanes(exponent, count)


def evaluate_row(polynomial: Sequence[mpz], point: int, row: Lanes) -> mpz:
    """f(point) in every lane, coefficients as reduced rows from the constant upwards.

    Raises BadParameters for a point at which the sum would not stay within its lane.
    """
    if sum(point**k for k in range(len(polynomial))) > 1 << _SPARE_BITS:
        allowed = f"less for a polynomial of degree {len(polynomial) - 1}"
        raise BadParameters("members", point, allowed)
    value = polynomial[-1]
    for coefficient in reversed(polynomial[:-1]):
        value = value * point + coefficient
    return row.reduce(value)
