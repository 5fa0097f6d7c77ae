"""An update as non-negative integers whose sum is the sum of weighted updates.

With w = num_examples/max_examples, S = 2^(bits-1) - 1 and the update x scaled into [-clip, clip]:

    W = max(1, round(w·S))                         the weight
    slot j = round(x_j/clip · W) + S               in [0, 2S], an offset binary number

so the average over contributors is clip · (Σ slot j - n·S) / Σ W. Σ W is opened with it: the
contributors' examples, all together. Two sums whose contributors differ by one hospital show that
hospital's number of examples, whatever else they are sums of. The weight is applied in floating
point before rounding: each hospital rounds once, by at most half a step of clip/W, or by less than
a step where rounding is stochastic.

An update with a change beyond the clip is scaled as a whole, x·2^-m with the least m that fits, as
McMahan and others (ICLR 2018, section 2) do by the norm: its direction stays. Cutting value by
value would leave W and a sign where it cuts, and the sum of such slots shows every hospital's
signs. m is whole, so that hospitals whose changes grow alike are scaled alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, frexp, isfinite, sqrt

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadQuantisation, BadUpdate, CorruptSum
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

    def weight(self, num_examples: int) -> int:
        """W of so many examples, from 1 to ``scale``. num_examples: at least 1."""
        return max(1, self._steps(num_examples))

    def weighed_as(self, num_examples: int) -> int:
        """What so many examples weigh as: so many, but for too many or few for the scale."""
        if not self._steps(num_examples):
            return ceil(self.max_examples / self.scale)
        return min(num_examples, self.max_examples)

    def _steps(self, num_examples: int) -> int:
        return round(min(num_examples, self.max_examples) / self.max_examples * self.scale)


def largest_change(update: npt.NDArray[np.float64]) -> float:
    """max |x| of an update, 0 if it has no entries.

    update: float64, shape (count,). Raises BadUpdate (NaN, infinity, other shape or type).
    """
    _check_form(update)
    found = max(float(update.max(initial=0.0)), -float(update.min(initial=0.0)))
    if not isfinite(found):
        index = int(np.argmin(np.isfinite(update)))
        raise BadUpdate(index, "NaN" if np.isnan(update[index]) else "infinity")
    return found


def halvings(largest: float, clip: float) -> int:
    """m, the least number >= 0 with largest <= clip·2^m. largest: finite, >= 0; clip: > 0."""
    fraction, exponent = frexp(largest)  # exact, unlike a logarithm
    of_clip, least = frexp(clip)
    return max(0, exponent - least + (fraction > of_clip)) if largest else 0


class Quantiser:
    """Turns one hospital's update into slots, slice by slice; it has one example at least.

    An update whose ``largest`` change lies beyond the clip is halved as a whole, ``halvings``
    times, until it does not, and ``least`` times in any case. ``dither``: the stream of a
    stochastic rounding, ⌊y + u⌋ with u uniform in [0, 1), which is right in the mean. Without it,
    values are rounded to the nearest.
    """

    def __init__(
        self,
        num_examples: int,
        largest: float,
        q: Quantisation,
        dither: Keystream | None = None,
        least: int = 0,
    ) -> None:
        self.weight = q.weight(num_examples)
        self.halvings = max(least, halvings(largest, q.clip))
        self._q, self._dither = q, dither

    def slots(self, update: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The slots of the next entries.

        update: float64, shape (count,). Returns int64, shape (count,), each in [0, 2S].
        Raises BadUpdate (other shape or type, an entry beyond ``largest``, NaN).
        """
        _check_form(update)
        # Dividing first keeps the ratio within [-1, 1], whatever the size of the clip.
        halved = np.ldexp(update, -self.halvings) if self.halvings else update
        ratio = halved / self._q.clip
        if not (ratio.max(initial=0.0) <= 1 and ratio.min(initial=0.0) >= -1):
            raise BadUpdate(int(np.argmin(np.abs(ratio) <= 1)), "a value that was another before")
        ratio *= self.weight
        if self._dither is None:
            np.rint(ratio, out=ratio)
        else:
            # y + u itself may round up to the integer above, and beyond the range at the clip.
            whole = np.floor(ratio)
            ratio -= whole  # exact, or 1 for a negative y near 0
            whole += self._dither.uint32(len(ratio)) / float(1 << 32) >= 1 - ratio
            ratio = whole
        return ratio.astype(np.int64) + self._q.scale


class Averager:
    """The weighted average of the contributors' updates, slice by slice, the same bits everywhere.

    clip · (Σ_j - n·S) / Σ_0; each |Σ_j - n·S| <= Σ_0, since that holds for each contribution.

    weight: Σ_0. contributors: n, from 1 to ``q.max_members``. Raises BadQuantisation
    (contributors), CorruptSum for a sum that no n contributions give.
    """

    def __init__(self, weight: int, contributors: int, q: Quantisation) -> None:
        if not 1 <= contributors <= q.max_members:
            raise BadQuantisation("contributors", contributors, f"1 to {q.max_members}")
        if not 1 <= weight <= contributors * q.scale:
            raise CorruptSum("sum of the weights out of range", 0)
        self._weight, self._offset, self._clip = weight, contributors * q.scale, q.clip
        self._contributors = contributors
        self._position = 0  # of the next entry

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

    def rounding_error(self, stochastic: bool) -> float:
        """The root mean square of what rounding changes in an entry of the average.

        An estimate: each contributor's rounding has variance 1/12 of a step clip/Σ_0 squared, 1/6
        where it is stochastic, if its values are spread over many steps.
        """
        return self._clip / self._weight * sqrt(self._contributors / (6 if stochastic else 12))


def _check_form(update: npt.NDArray[np.float64]) -> None:
    if not isinstance(update, np.ndarray) or update.dtype != np.float64:
        raise BadUpdate(None, "not an array of float64")
    if update.ndim != 1:
        raise BadUpdate(None, f"{update.ndim} dimensions instead of 1")
