"""An update as non-negative integers whose sum is the sum of weighted updates.

With n_i examples, M = max_examples, O = 2^(bits-1) - 1, S = O - 16 and an update in [-clip, clip]:

    slot j = ⌊x_j/clip · n_i·S/M + g_j + 1/2⌋ + O           in [0, 2·O], an offset binary number

with g_j drawn for each: a sixth of a discrete Gaussian of standard deviation 6.4 and two uniform
numbers in [-1/2, 1/2), all added; nearly a Gaussian of standard deviation 1.07, and at most 91/6.
The average over k contributors is clip·M/S · (Σ slot j - k·O)/Σ n_i but for rounding. Σ n_i is
opened with it: the contributors' examples, all together. Two sums whose contributors differ by one
hospital show that hospital's number of examples, whatever else they are sums of.

*Why rounding is drawn.* What a hospital adds is n_i·x, in whatever steps: no other multiple where
clip or M are others. In steps it is y_i. Rounded to the nearest, sums of the same updates under
several scales a would tell the single y_i: Σ ⌊a·y_i + 1/2⌋ is a·Σ y_i and sawtooth functions of a,
of frequencies y_i. Rounded up or down by one uniform number each, the variance Σ f_i(1 - f_i) of a
sum would, for fractions f_i. With the Gaussian, the law of Σ ⌊y_i + g_i + 1/2⌋ follows from Σ y_i
but for some e^(-π²·1.07²) = 10^-5 with two hospitals, and less with more (Poisson summation;
docs/how-it-works/bounds.md). One uniform number would not do: it rounds to sixths with the variance
f(1 - f)/36, f a fraction of a sixth, and changes the law by a thousandth with 16, too.

The mean is y_i to within 10^-5 steps, and what float64 rounds: less than 2^-50 of y_i.
"""

from dataclasses import dataclass
from math import ceil, isfinite, pi, sqrt

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadParameters, BadUpdate, CorruptSum
from keyshare.hybrid import SIGMA_SQUARED, Keystream, sample

MIN_BITS, MAX_BITS = 8, 40
MAX_EXAMPLES = 10**9
_EXACT_BITS = 53  # integers up to 2^53 are exact in float64
_PARTS = 6  # of a step, in which the Gaussian is drawn
SPREAD = 16  # steps, more than rounding changes a value by: at most 91/6 + 1/2
_VARIANCE = float(SIGMA_SQUARED) / _PARTS**2 + (1 + 2 / _PARTS**2) / 12


@dataclass(frozen=True)
class Quantisation:
    """What all members agree on before a round.

    clip: the largest change of a weight, finite and > 0. bits: 8 to 40, of a slot's value.
    max_examples: 1 to 10^9, the most examples of a hospital.
    Raises BadParameters.
    """

    clip: float
    bits: int
    max_examples: int

    def __post_init__(self) -> None:
        if not (isfinite(self.clip) and self.clip > 0):
            raise BadParameters("clip", self.clip, "a finite number above 0")
        if not MIN_BITS <= self.bits <= MAX_BITS:
            raise BadParameters("bits", self.bits, f"{MIN_BITS} to {MAX_BITS}")
        if not 1 <= self.max_examples <= MAX_EXAMPLES:
            raise BadParameters("max_examples", self.max_examples, f"1 to {MAX_EXAMPLES}")

    @property
    def offset(self) -> int:
        """O = 2^(bits-1) - 1, the slot of a value 0."""
        return (1 << (self.bits - 1)) - 1

    @property
    def scale(self) -> int:
        """S = O - 16, the most steps from 0 to the clip: rounding has room beyond them."""
        return self.offset - SPREAD

    @property
    def max_members(self) -> int:
        """Members up to which n·2^bits <= 2^53, so that every sum is exact in float64."""
        return 1 << (_EXACT_BITS - self.bits)

    def steps(self, num_examples: int) -> float:
        """The steps from 0 to the clip for so many examples, n·S/M."""
        return num_examples / self.max_examples * self.scale


def largest_change(update: npt.NDArray[np.float64]) -> float:
    """max |x| of an update, 0 if it has no entries.

    update: float64, shape (count,). Raises BadUpdate (NaN, infinity, other shape or type).
    """
    _check_form(update)
    found = max(float(update.max(initial=0.0)), -float(update.min(initial=0.0)))
    if not isfinite(found):
        index = int(np.argmin(np.isfinite(update)))
        raise BadUpdate("NaN" if np.isnan(update[index]) else "infinity", index)
    return found


class Quantiser:
    """Turns one hospital's update into slots, slice by slice; the same slices give the same slots.

    num_examples: 1 to ``q.max_examples``. seed: 32 bytes, for this contribution alone.
    """

    def __init__(self, num_examples: int, q: Quantisation, seed: bytes) -> None:
        self._steps, self._q = q.steps(num_examples), q
        self._coarse, self._fine = (Keystream(seed, "rounding", part) for part in (1, 2))

    def slots(self, update: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The slots of the next entries.

        update: float64, shape (count,). Returns int64, shape (count,), each in [0, 2·O].
        Raises BadUpdate (other shape or type, an entry beyond the clip, NaN).
        """
        _check_form(update)
        # Dividing first keeps the ratio within [-1, 1], whatever the size of the clip.
        values = update / self._q.clip
        if not (values.max(initial=0.0) <= 1 and values.min(initial=0.0) >= -1):
            raise BadUpdate("a value that was another before", int(np.argmin(np.abs(values) <= 1)))
        values *= self._steps
        values += self._drawn(len(values))
        np.floor(values, out=values)
        return values.astype(np.int64) + self._q.offset

    def _drawn(self, count: int) -> npt.NDArray[np.float64]:
        """g + 1/2, float64, shape (count,)."""
        fine = self._fine.uint16(2 * count)
        drawn = np.add(fine[:count], fine[count:], dtype=np.float64)
        # Half a unit for each of the two, and for the floor of what they are added to.
        drawn += 1.5
        drawn *= 2.0**-16
        drawn += sample(self._coarse, count)
        drawn *= 1 / _PARTS
        drawn += 0.5 - 1 / _PARTS
        return drawn


class Averager:
    """The weighted average of the contributors' updates, slice by slice, the same bits everywhere.

    examples: Σ n_i. contributors: k, from 1 to ``q.max_members``. Raises BadParameters
    (contributors), CorruptSum for a sum that no k contributions give.
    """

    def __init__(self, examples: int, contributors: int, q: Quantisation) -> None:
        if not 1 <= contributors <= q.max_members:
            raise BadParameters("contributors", contributors, f"1 to {q.max_members}")
        if not contributors <= examples <= contributors * q.max_examples:
            raise CorruptSum("sum of the numbers of examples out of range", 0)
        self._steps, self._offset, self._clip = q.steps(examples), contributors * q.offset, q.clip
        self._contributors = contributors
        self._position = 0  # of the next entry
        self._alone = sqrt(contributors * _VARIANCE)  # steps, of rounding alone
        self._moved, self._outlying = 0, ceil(8 * self._alone)  # steps, of all entries, and of one

    def entries(self, sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The next entries of the average, float64 in [-clip, clip], from int64 sums of slots.

        Each is within Σ n_i·S/M and 16 steps a contributor, since each contribution is.
        """
        # Compared before the offset is taken off: a huge sum must not wrap around.
        most, offset = ceil(self._steps) + SPREAD * self._contributors, self._offset
        outside = (sums < offset - most) | (sums > offset + most)
        if outside.any():
            raise CorruptSum("sum out of range", int(np.argmax(outside)) + self._position)
        self._position += len(sums)
        moved = sums - offset
        self._moved += int(np.minimum(np.abs(moved), self._outlying).sum())
        ratio: npt.NDArray[np.float64] = moved.astype(np.float64) / self._steps
        return np.clip(ratio, -1.0, 1.0, out=ratio) * self._clip

    @property
    def is_noise(self) -> bool:
        """Whether the entries are no larger, in the mean, than √2 times rounding alone makes them.

        That would be √(2/π) of its standard deviation. An entry counts for eight of these at most:
        few large ones do not hide that all others are noise. All is computed in integers, or
        rounded correctly: it is the same everywhere.
        """
        return (
            self._position > 0
            and self._moved <= sqrt(2) * sqrt(2 / pi) * self._alone * self._position
        )

    @property
    def rounding_error(self) -> float:
        """The root mean square of what rounding changes in an entry of the average.

        Each contributor's rounding has the variance 1.23, in steps of clip·M/(S·Σ n_i) squared.
        """
        return self._clip / self._steps * self._alone


def _check_form(update: npt.NDArray[np.float64]) -> None:
    if not isinstance(update, np.ndarray) or update.dtype != np.float64:
        raise BadUpdate("not an array of float64")
    if update.ndim != 1:
        raise BadUpdate(f"{update.ndim} dimensions instead of 1")
