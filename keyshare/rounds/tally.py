"""How many hospitals changed a weight by how much at most, and have how many examples, in a sum.

Beside its update, each hospital adds a 1 in two places: at the class of its largest change, and at
the class of its number of examples. The sums are two histograms of the contributors; they say
whether all updates fit this round's bounds, they bound and scale the next round's, and nobody
learns whose a 1 was.

    change class k:    the largest change is at most clip·2^-k and above clip·2^-(k+1);
                       class 30 has no lower end; class 31 is no change
    examples class j:  2^(j-1) < examples <= 2^j, up to j = ⌈log2 max_examples⌉

A count is at most n and has w = ⌈log2(n+1)⌉ bits; a slot of ``bits`` bits holds ⌊bits/w⌋ of them.
Nothing proves that a hospital adds one 1 in each histogram: ``read`` takes only counts that honest
hospitals could have given, and a hospital that lies can still shift them.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadExamples, BadParameters, BadUpdate

CHANGE_CLASSES = 32
NO_CHANGE = CHANGE_CLASSES - 1
SMALLEST = NO_CHANGE - 1


class Marks(NamedTuple):
    """The classes of one hospital."""

    change: int
    examples: int


@dataclass(frozen=True)
class Counts:
    """Contributors by class: ``change[k]`` and ``examples[j]``, each adding up to all of them."""

    change: tuple[int, ...]
    examples: tuple[int, ...]

    @cached_property
    def largest(self) -> Marks:
        """The class of the largest change, and that of the most examples."""
        held = [j for j, count in enumerate(self.examples) if count]
        return Marks(next(k for k, count in enumerate(self.change) if count), held[-1])

    @property
    def is_still(self) -> bool:
        """Whether nobody changed anything."""
        return self.largest.change == NO_CHANGE

    def has(self, marks: Marks) -> bool:
        """Whether a hospital of these classes can be among those counted."""
        is_known = marks.change < len(self.change) and marks.examples < len(self.examples)
        return is_known and bool(self.change[marks.change] and self.examples[marks.examples])


@dataclass(frozen=True)
class Tally:
    """Where the counts of a federation's rounds lie.

    clip: the largest change that the terms allow, > 0. max_examples: the most examples, >= 1.
    members: n >= 1. bits: of a slot's value. Raises BadParameters if no count fits in a slot.
    """

    clip: float
    max_examples: int
    members: int
    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.width <= self.bits:
            raise BadParameters("members", self.members, f"1 to {(1 << self.bits) - 1}")

    @property
    def width(self) -> int:
        """w, the bits of a count."""
        return self.members.bit_length()

    @property
    def example_classes(self) -> int:
        """⌈log2 max_examples⌉ + 1."""
        return (self.max_examples - 1).bit_length() + 1

    @property
    def slots(self) -> int:
        """Slots that all counts fill."""
        return -(-(CHANGE_CLASSES + self.example_classes) // self._per_slot)

    @property
    def _per_slot(self) -> int:
        return self.bits // self.width

    def marks(self, largest: float, num_examples: int) -> Marks:
        """The classes of a hospital: its largest change, from 0 to clip, and its examples.

        Raises BadExamples for less than one or more than ``max_examples``, BadUpdate for a change
        beyond the clip.
        """
        if not 0 <= largest <= self.clip:
            raise BadUpdate(f"a change beyond {self.clip:g}")
        if not 1 <= num_examples <= self.max_examples:
            raise BadExamples(num_examples, 1, self.max_examples)
        classes = range(SMALLEST, -1, -1)
        change = next(k for k in classes if largest <= math.ldexp(self.clip, -k))
        change = change if largest else NO_CHANGE
        return Marks(change, (num_examples - 1).bit_length())

    def values(self, marks: Marks) -> npt.NDArray[np.int64]:
        """The slots of one hospital, int64, shape (slots,), each in [0, 2^bits)."""
        found = np.zeros(self.slots, dtype=np.int64)
        for place in (marks.change, CHANGE_CLASSES + marks.examples):
            slot, position = divmod(place, self._per_slot)
            found[slot] += 1 << (position * self.width)
        return found

    def read(self, sums: npt.NDArray[np.int64], contributors: int) -> Counts | None:
        """The counts in a sum of ``values``; None if no so many honest hospitals give it.

        sums: int64, shape (slots,), or longer, with zeros above.
        """
        mask, size, counts = (1 << self.width) - 1, self._per_slot, []
        for total in sums.tolist():
            if total < 0 or total >> (size * self.width):
                return None
            counts += [total >> (position * self.width) & mask for position in range(size)]
        end = CHANGE_CLASSES + self.example_classes
        found = Counts(tuple(counts[:CHANGE_CLASSES]), tuple(counts[CHANGE_CLASSES:end]))
        is_whole = sum(found.change) == sum(found.examples) == contributors
        return found if is_whole and not any(counts[end:]) else None
