"""An update as non-negative integers whose sum is the sum of weighted updates.

With w = num_examples/max_examples, S = 2^(bits-1) - 1 and x clipped to [-clip, clip]:

    slot 0 = round(w·S)                            the weight
    slot j = round(x_j/clip · w·S) + S             in [0, 2S], an offset binary number

so the average over contributors is clip · (Σ slot j - n·S) / Σ slot 0, and nobody's number of
examples is opened. The weight is applied in floating point before rounding: each hospital rounds
once, by at most half a step of clip/(w·S).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, isfinite

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadExamples, BadQuantisation, BadUpdate, CorruptSum

MIN_BITS, MAX_BITS = 8, 40
_EXACT_BITS = 53  # integers up to 2^53 are exact in float64


@dataclass(frozen=True)
class Quantisation:
    """What all members agree on before a round.

    clip: largest magnitude of a weight that is kept, finite and > 0. bits: 8 to 40, of a slot's
    value. max_examples: the number of examples that has weight 1. Raises BadQuantisation.
    """

    clip: float
    bits: int
    max_examples: int

    def __post_init__(self) -> None:
        if not (isfinite(self.clip) and self.clip > 0):
            raise BadQuantisation("clip", self.clip)
        if not MIN_BITS <= self.bits <= MAX_BITS:
            raise BadQuantisation("bits", self.bits)
        if self.max_examples < 1:
            raise BadQuantisation("max_examples", self.max_examples)

    @property
    def scale(self) -> int:
        """S = 2^(bits-1) - 1, both the scale and the offset of a value."""
        return (1 << (self.bits - 1)) - 1

    @property
    def max_members(self) -> int:
        """Members up to which n·2^bits <= 2^53, so that every sum is exact in float64."""
        return 1 << (_EXACT_BITS - self.bits)

    @property
    def min_examples(self) -> int:
        """The fewest examples whose weight does not round to nothing."""
        # Half a step itself rounds to even, that is to 0: it has to be exceeded.
        least = max(1, ceil(self.max_examples / (2 * self.scale)))
        return least if _weight(least, self) else least + 1


@dataclass(frozen=True, eq=False)
class Quantised:
    """values: int64, the weight then the update, each in [0, 2S]; clipped: how many were cut."""

    values: npt.NDArray[np.int64] = field(repr=False)
    clipped: int


def quantise(update: npt.NDArray[np.float64], num_examples: int, q: Quantisation) -> Quantised:
    """Slots of one hospital's update; entries beyond ±clip are cut and counted.

    update: float64, shape (length,), length >= 1. Returns length + 1 values.
    Raises BadUpdate (NaN, infinity, other shape or type), BadExamples.
    """
    _check_update(update)
    if not q.min_examples <= num_examples <= q.max_examples:
        raise BadExamples(num_examples, q.min_examples, q.max_examples)
    weight = num_examples / q.max_examples
    # Dividing by clip first keeps the ratio within [-1, 1], whatever the size of clip.
    ratio = np.clip(update, -q.clip, q.clip) / q.clip
    values = np.empty(len(update) + 1, dtype=np.int64)
    values[0] = _weight(num_examples, q)
    values[1:] = np.rint(ratio * (weight * q.scale)).astype(np.int64) + q.scale
    return Quantised(values, clipped=int(np.count_nonzero(np.abs(update) > q.clip)))


def average(
    sums: npt.NDArray[np.int64], contributors: int, q: Quantisation
) -> npt.NDArray[np.float64]:
    """The weighted average of the contributors' updates, the same bits on every platform.

    clip · (Σ_j - n·S) / Σ_0; each |Σ_j - n·S| <= Σ_0, since that holds for each contribution.

    sums: int64, shape (length + 1,), sums of ``quantise``'s values; contributors: n, from 1 to
    ``q.max_members``. Returns float64 in [-clip, clip], shape (length,).
    Raises BadQuantisation (contributors), CorruptSum for a sum that no n contributions give.
    """
    if not 1 <= contributors <= q.max_members:
        raise BadQuantisation("contributors", contributors)
    if sums.ndim != 1 or sums.dtype != np.int64 or len(sums) == 0:
        raise CorruptSum("not a vector of int64")
    weight = int(sums[0])
    if not 1 <= weight <= contributors * q.scale:
        raise CorruptSum("sum of the weights out of range", 0)
    # Compared before the offset is taken off: a huge sum must not wrap around.
    offset = contributors * q.scale
    outside = (sums[1:] < offset - weight) | (sums[1:] > offset + weight)
    if outside.any():
        raise CorruptSum("sum out of range", int(np.argmax(outside)) + 1)
    ratio: npt.NDArray[np.float64] = (sums[1:] - offset).astype(np.float64) / float(weight)
    return ratio * q.clip


def _weight(num_examples: int, q: Quantisation) -> int:
    return round(num_examples / q.max_examples * q.scale)


def _check_update(update: npt.NDArray[np.float64]) -> None:
    if not isinstance(update, np.ndarray) or update.dtype != np.float64:
        raise BadUpdate(None, "not an array of float64")
    if update.ndim != 1:
        raise BadUpdate(None, f"{update.ndim} dimensions instead of 1")
    if len(update) == 0:
        raise BadUpdate(None, "no entries")
    bad = ~np.isfinite(update)
    if bad.any():
        index = int(np.argmax(bad))
        raise BadUpdate(index, "NaN" if np.isnan(update[index]) else "infinity")
