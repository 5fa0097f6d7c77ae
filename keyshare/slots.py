"""The slots of a training round: the weight, the tally, then one for each weight of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadUpdate, CorruptSum
from keyshare.keystream import Keystream
from keyshare.quantisation import Averager, Quantisation, Quantiser, largest_change
from keyshare.tally import Counts, Marks, Tally


@dataclass(frozen=True)
class Slots:
    """How a model of ``length`` >= 1 weights lies in the slots of a round."""

    quantisation: Quantisation
    tally: Tally
    length: int

    @property
    def head(self) -> int:
        """Slots before those of the model."""
        return 1 + self.tally.slots

    @property
    def count(self) -> int:
        """All slots."""
        return self.head + self.length

    def writer(
        self, num_examples: int, largest: float, dither: Keystream | None = None, least: int = 0
    ) -> SlotWriter:
        """The slots of one hospital. largest: max |x| of its update. Raises BadExamples.

        least: how often the update is halved in any case.
        """
        return SlotWriter(self, num_examples, largest, dither, least)

    def reader(self, contributors: int) -> SlotReader:
        """The sums of so many hospitals' slots."""
        return SlotReader(self, contributors)


class SlotWriter:
    """One hospital's slots, slice by slice.

    marks: its classes in the tally. halvings: how often its update is halved. weighed_as: the
    number of examples that its own weigh as.
    """

    def __init__(
        self,
        slots: Slots,
        num_examples: int,
        largest: float,
        dither: Keystream | None,
        least: int,
    ) -> None:
        q = slots.quantisation
        self.marks: Marks = slots.tally.marks(largest, num_examples)
        self.weighed_as = q.weighed_as(num_examples)
        self._quantiser = Quantiser(num_examples, largest, q, dither, least)
        self.halvings = self._quantiser.halvings
        self._tally = slots.tally

    @property
    def head(self) -> npt.NDArray[np.int64]:
        """The first slots, those before the update's."""
        return np.concatenate([[self._quantiser.weight], self._tally.values(self.marks)])

    def entries(self, update: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The slots of the next weights' changes; raises BadUpdate as ``Quantiser.slots``."""
        return self._quantiser.slots(update)


class SlotReader:
    """The sum of a round's slots, slice by slice: the first slice has at least the head."""

    def __init__(self, slots: Slots, contributors: int) -> None:
        self._slots, self._contributors = slots, contributors
        self._averager: Averager | None = None
        self.counts: Counts | None = None

    def take(self, sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The next entries of the average update, float64 in [-clip, clip].

        sums: int64, shape (count,). Raises CorruptSum for one that no honest hospitals give; the
        tally is no reason: ``counts`` is None then.
        """
        if self._averager is None:
            head = self._slots.head
            weight = int(sums[0])
            self._averager = Averager(weight, self._contributors, self._slots.quantisation)
            self.counts = self._slots.tally.read(sums[1:head], self._contributors)
            sums = sums[head:]
        return self._averager.entries(sums)

    def rounding_error(self, stochastic: bool) -> float:
        """As ``Averager.rounding_error``, after the first slice."""
        assert self._averager is not None
        return self._averager.rounding_error(stochastic)


def quantise(
    update: npt.NDArray[np.float64], num_examples: int, slots: Slots
) -> npt.NDArray[np.int64]:
    """All slots of one hospital's update at once, int64, shape (slots.count,).

    update: float64, shape (slots.length,). Raises BadUpdate, BadExamples.
    """
    largest = largest_change(update)
    if len(update) != slots.length or not slots.length:
        raise BadUpdate(None, f"{len(update)} entries instead of {slots.length}")
    writer = slots.writer(num_examples, largest)
    return np.concatenate([writer.head, writer.entries(update)])


def average(
    sums: npt.NDArray[np.int64], contributors: int, slots: Slots
) -> npt.NDArray[np.float64]:
    """The average update from all sums at once, float64, shape (slots.length,).

    sums: int64, shape (slots.count,). Raises CorruptSum for sums that no n contributions give.
    """
    if sums.ndim != 1 or sums.dtype != np.int64 or len(sums) != slots.count:
        raise CorruptSum("not as many sums of int64 as the round has slots")
    return slots.reader(contributors).take(sums)
