"""An update as non-negative integers whose sum is the sum of weighted updates.

With w = num_examples/max_examples, S = 2^(bits-1) - 1 and x clipped to [-clip, clip]:

    slot 0 = W = round(w·S)                        the weight
    slot j = round(x_j/clip · W) + S               in [0, 2S], an offset binary number

so the average over contributors is clip · (Σ slot j - n·S) / Σ slot 0. Σ slot 0 is opened with it:
the contributors' examples, all together. Two sums whose contributors differ by one hospital show
that hospital's number of examples, whatever else they are sums of. The weight is applied in
floating point before rounding: each hospital rounds once, by at most half a step of clip/W, or by
less than a step where rounding is stochastic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, isfinite

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadExamples, BadQuantisation, BadUpdate, CorruptSum
from keyshare.keystream import Keystream

MIN_BITS, MAX_BITS = 8, 40
MAX_EXAMPLES = 10**9
_EXACT_BITS = 53  # integers up to 2^53 are exact in float64


@dataclass(frozen=True)
class Quantisation:
    """What all members agree on before a round.

    clip: largest magnitude of a weight that is kept, finite and > 0. bits: 8 to 40, of a slot's
    value. max_examples: 1 to 10^9, the number of examples that has weight 1.
    Raises BadQuantisation.
    """

    clip: float
    bits: int
    max_examples: int

    def __post_init__(self) -> None:
        if not (isfinite(self.clip) and self.clip > 0):
            raise BadQuantisation("clip", self.clip, "a finite number above 0")
        if not MIN_BITS <= self.bits <= MAX_BITS:
            raise BadQuantisation("bits", self.bits, f"{MIN_BITS} to {MAX_BITS}")
        if not 1 <= self.max_examples <= MAX_EXAMPLES:
            raise BadQuantisation("max_examples", self.max_examples, f"1 to {MAX_EXAMPLES}")

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


class Quantiser:
    """Turns one hospital's update into slots, slice by slice, and counts what it cuts.

    ``dither``: the stream of a stochastic rounding, ⌊y + u⌋ with u uniform in [0, 1), which is
    right in the mean. Without it, values are rounded to the nearest. Raises BadExamples.
    """

    def __init__(self, num_examples: int, q: Quantisation, dither: Keystream | None = None) -> None:
        if not q.min_examples <= num_examples <= q.max_examples:
            raise BadExamples(num_examples, q.min_examples, q.max_examples)
        self.weight = _weight(num_examples, q)
        self.clipped = 0
        self._q, self._dither = q, dither

    def slots(self, update: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The slots of the next entries; those beyond ±clip are cut and counted.

        update: float64, shape (count,). Returns int64, shape (count,), each in [0, 2S].
        Raises BadUpdate (NaN, infinity, other shape or type).
        """
        _check_update(update)
        q = self._q
        # Dividing by clip first keeps the ratio within [-1, 1], whatever the size of clip.
        ratio = np.clip(update, -q.clip, q.clip) / q.clip
        self.clipped += int(np.count_nonzero(np.abs(update) > q.clip))
        ratio *= self.weight
        if self._dither is None:
            np.rint(ratio, out=ratio)
        else:
            # y + u itself may round up to the integer above, and beyond the range at the clip.
            whole = np.floor(ratio)
            ratio -= whole  # exact, or 1 for a negative y near 0
            whole += self._dither.uint32(len(ratio)) / float(1 << 32) >= 1 - ratio
            ratio = whole
        return ratio.astype(np.int64) + q.scale


def quantise(update: npt.NDArray[np.float64], num_examples: int, q: Quantisation) -> Quantised:
    """Slots of one hospital's update, all at once; length + 1 values.

    update: float64, shape (length,), length >= 1. Raises BadUpdate, BadExamples.
    """
    _check_update(update)
    if len(update) == 0:
        raise BadUpdate(None, "no entries")
    quantiser = Quantiser(num_examples, q)
    values = np.empty(len(update) + 1, dtype=np.int64)
    values[0] = quantiser.weight
    values[1:] = quantiser.slots(update)
    return Quantised(values, quantiser.clipped)


def average(
    sums: npt.NDArray[np.int64], contributors: int, q: Quantisation
) -> npt.NDArray[np.float64]:
    """The weighted average of the contributors' updates, the same bits on every platform.

    clip · (Σ_j - n·S) / Σ_0; each |Σ_j - n·S| <= Σ_0, since that holds for each contribution.

    sums: int64, shape (length + 1,), sums of ``quantise``'s values; contributors: n, from 1 to
    ``q.max_members``. Returns float64 in [-clip, clip], shape (length,).
    Raises BadQuantisation (contributors), CorruptSum for a sum that no n contributions give.
    """
    if sums.ndim != 1 or sums.dtype != np.int64 or len(sums) == 0:
        raise CorruptSum("not a vector of int64")
    return Averager(int(sums[0]), contributors, q).entries(sums[1:])


class Averager:
    """``average``, slice by slice, once the sum of the weights is known; raises as it does."""

    def __init__(self, weight: int, contributors: int, q: Quantisation) -> None:
        if not 1 <= contributors <= q.max_members:
            raise BadQuantisation("contributors", contributors, f"1 to {q.max_members}")
        if not 1 <= weight <= contributors * q.scale:
            raise CorruptSum("sum of the weights out of range", 0)
        self._weight, self._offset, self._clip = weight, contributors * q.scale, q.clip
        self._position = 1  # of the next entry among the slots

    def entries(self, sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The next entries of the average, float64 in [-clip, clip], from int64 sums of slots."""
        # Compared before the offset is taken off: a huge sum must not wrap around.
        weight, offset = self._weight, self._offset
        outside = (sums < offset - weight) | (sums > offset + weight)
        if outside.any():
            raise CorruptSum("sum out of range", int(np.argmax(outside)) + self._position)
        self._position += len(sums)
        ratio: npt.NDArray[np.float64] = (sums - offset).astype(np.float64) / float(weight)
        return ratio * self._clip


def _weight(num_examples: int, q: Quantisation) -> int:
    return round(num_examples / q.max_examples * q.scale)


def _check_update(update: npt.NDArray[np.float64]) -> None:
    if not isinstance(update, np.ndarray) or update.dtype != np.float64:
        raise BadUpdate(None, "not an array of float64")
    if update.ndim != 1:
        raise BadUpdate(None, f"{update.ndim} dimensions instead of 1")
    bad = ~np.isfinite(update)
    if bad.any():
        index = int(np.argmax(bad))
        raise BadUpdate(index, "NaN" if np.isnan(update[index]) else "infinity")
