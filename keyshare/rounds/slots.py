"""The slots of a training round: the number of examples, the tally, then one for each weight.

The number of examples is a number of ⌈log2 (M+1)⌉ bits, ``bits`` of them in a slot. It and the
tally are the *head*. A hospital whose update does not fit the round's bounds contributes the head
alone, and blinds the rest (keyshare/rounds/packing.py, keyshare/hybrid/one_time_key.py): the sum
shows the tally, which says that somebody did not fit, and nothing of any update. Whether an update
fits is a matter of its classes in the tally, so that whoever reads the counts knows it as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ldexp

import numpy as np
import numpy.typing as npt

from keyshare.rounds.quantisation import Averager, Quantisation, Quantiser
from keyshare.rounds.tally import NO_CHANGE, SMALLEST, Counts, Marks, Tally

_WIDE = 8  # times the room that the counts ask for; the bounds they give have twice as much


@dataclass(frozen=True)
class Slots:
    """How a model of ``length`` >= 1 weights lies in the slots of a round.

    quantisation: with the round's bounds; the tally has the terms'. together: how many slots are
    blinded together or not at all; the head is a multiple of it.
    """

    quantisation: Quantisation
    tally: Tally
    length: int
    together: int = 1

    @property
    def head(self) -> int:
        """Slots before those of the model."""
        return -(-(self.counted + self.tally.slots) // self.together) * self.together

    @property
    def counted(self) -> int:
        """Slots of the number of examples."""
        return -(-self.tally.max_examples.bit_length() // self.quantisation.bits)

    @property
    def count(self) -> int:
        """All slots."""
        return self.head + self.length

    def fits(self, marks: Marks) -> bool:
        """Whether all updates of these classes are within the round's bounds."""
        q, tally = self.quantisation, self.tally
        is_small = marks.change == NO_CHANGE or ldexp(tally.clip, -marks.change) <= q.clip
        return is_small and min(1 << marks.examples, tally.max_examples) <= q.max_examples

    def writer(self, num_examples: int, largest: float, seed: bytes) -> SlotWriter:
        """The slots of one hospital. largest: max |x| of its update, at most the terms' clip.

        seed: 32 bytes, for this contribution alone. Raises BadExamples.
        """
        return SlotWriter(self, num_examples, largest, seed)

    def reader(self, contributors: int) -> SlotReader:
        """The sums of so many hospitals' slots."""
        return SlotReader(self, contributors)


class SlotWriter:
    """One hospital's slots, slice by slice.

    marks: its classes in the tally. fits: whether its update is within the round's bounds; only
    then it has ``entries``.
    """

    def __init__(self, slots: Slots, num_examples: int, largest: float, seed: bytes) -> None:
        self.marks: Marks = slots.tally.marks(largest, num_examples)
        self.fits = slots.fits(self.marks)
        self._quantiser = Quantiser(num_examples, slots.quantisation, seed)
        self._slots, self._num_examples = slots, num_examples

    @property
    def head(self) -> npt.NDArray[np.int64]:
        """The first slots, those before the update's."""
        slots, bits = self._slots, self._slots.quantisation.bits
        head = np.zeros(slots.head, dtype=np.int64)
        for k in range(slots.counted):
            head[k] = (self._num_examples >> (bits * k)) & ((1 << bits) - 1)
        head[slots.counted : slots.counted + slots.tally.slots] = slots.tally.values(self.marks)
        return head

    def entries(self, update: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The slots of the next weights' changes; raises BadUpdate as ``Quantiser.slots``."""
        return self._quantiser.slots(update)


class SlotReader:
    """The sum of a round's slots: first the head, then, if all updates fit, slice by slice."""

    def __init__(self, slots: Slots, contributors: int) -> None:
        self._slots, self._contributors = slots, contributors
        self._averager: Averager | None = None
        self.counts: Counts | None = None

    @property
    def is_outgrown(self) -> bool:
        """Whether somebody's update did not fit, as far as the counts tell."""
        return self.counts is not None and not self._slots.fits(self.counts.largest)

    def take_head(self, sums: npt.NDArray[np.int64]) -> None:
        """Read the head; int64, shape (head,).

        Raises CorruptSum for a number of examples that no honest hospitals have together, if all
        updates fit. The tally is no reason: ``counts`` is None then.
        """
        q, counted = self._slots.quantisation, self._slots.counted
        self.counts = self._slots.tally.read(sums[counted:], self._contributors)
        if not self.is_outgrown:
            examples = sum(int(part) << (q.bits * k) for k, part in enumerate(sums[:counted]))
            self._averager = Averager(examples, self._contributors, q)

    def take(self, sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The next entries of the average update, float64 in [-clip, clip].

        sums: int64, shape (count,). Raises CorruptSum for one that no honest hospitals give.
        """
        assert self._averager is not None
        return self._averager.entries(sums)

    @property
    def is_coarse(self) -> bool:
        """Whether the average is mostly rounding, once all slices are taken and all updates fit.

        That is, if nobody changes anything; if rounding changes it by an eighth of the upper end of
        the largest class; or if it is noise, and bounds that follow from the counts would be finer,
        or the changes are smaller than any class tells.
        """
        if self.counts is None or self._averager is None:
            return False
        if self.counts.is_still:
            return True
        q, tally = self._slots.quantisation, self._slots.tally
        change, examples = self.counts.largest
        largest, most = ldexp(tally.clip, -change), min(1 << examples, tally.max_examples)
        is_wide = q.clip / largest * (q.max_examples / most) >= _WIDE
        may_be_noise = is_wide or change == SMALLEST
        return self.rounding_error >= largest / 8 or (may_be_noise and self._averager.is_noise)

    @property
    def rounding_error(self) -> float:
        """As ``Averager.rounding_error``, of a sum in which all updates fit."""
        assert self._averager is not None
        return self._averager.rounding_error
