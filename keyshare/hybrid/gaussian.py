"""The discrete Gaussian over Z with standard deviation σ = 6.4, by inversion with 128 bits.

P(x) = exp(-x²/2σ²) / Σ_y exp(-y²/2σ²), cut at |x| <= 90 (14 σ: what is cut has mass below 2^-144).

16 bits and a table decide all but some 0.1 % of the draws; those take 112 bits more, and are looked
up in the cumulative table of 128 bits. The table is computed in integers and correctly rounded
numbers of 320 bits, so a keystream gives the same integers everywhere. Not constant-time: which
draws need more bits, and the table's cache lines, can show in the time.
"""

from bisect import bisect_right
from functools import lru_cache

import gmpy2
import numpy as np
import numpy.typing as npt

from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import SIGMA_SQUARED

TAIL = 90
_BITS, _WORD_BITS = 128, 16
_MORE_BYTES = (_BITS - _WORD_BITS) // 8
_UNDECIDED = -128
_PRECISION = 320


def sample(stream: Keystream, count: int) -> npt.NDArray[np.int8]:
    """``count`` draws, shape (count,), each in [-90, 90]."""
    words = stream.uint16(count)
    values = _decided().take(words)
    (undecided,) = np.nonzero(values == _UNDECIDED)
    if len(undecided):
        more = stream.bytes(_MORE_BYTES * len(undecided))
        table = cumulative()
        for k, position in enumerate(undecided.tolist()):
            tail = more[_MORE_BYTES * k : _MORE_BYTES * (k + 1)]
            draw = int(words[position]) << (_BITS - _WORD_BITS) | int.from_bytes(tail, "big")
            values[position] = bisect_right(table, draw) - TAIL
    return values


@lru_cache(maxsize=1)
def cumulative() -> list[int]:
    """⌊2^128 · P(X <= x)⌋ for x = -90 … 89."""
    with gmpy2.context(precision=_PRECISION):
        weights = [
            gmpy2.exp(
                gmpy2.mpfr(-x * x * SIGMA_SQUARED.denominator) / (2 * SIGMA_SQUARED.numerator)
            )
            for x in range(-TAIL, TAIL + 1)
        ]
        total = sum(weights, gmpy2.mpfr(0))
        table, below = [], gmpy2.mpfr(0)
        for weight in weights[:-1]:
            below += weight
            table.append(int(gmpy2.floor(below / total * (1 << _BITS))))
    return table


@lru_cache(maxsize=1)
def _decided() -> npt.NDArray[np.int8]:
    """For each first word the draw, or a mark where it depends on later bits."""
    table, shift = cumulative(), _BITS - _WORD_BITS
    found = np.empty(1 << _WORD_BITS, dtype=np.int8)
    for word in range(1 << _WORD_BITS):
        first = bisect_right(table, word << shift)
        last = bisect_right(table, ((word + 1) << shift) - 1)
        found[word] = first - TAIL if first == last else _UNDECIDED
    return found
