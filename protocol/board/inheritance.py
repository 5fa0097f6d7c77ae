"""Which key a federation takes over, by what its members say of it on their own board.

A member says it once. It counts when lock_threshold members have said the very same. Two such sets
share an honest member, so no two keys count, on whatever boards. And no f members, silent or lying,
keep the others from it.

With the key come the sums that may be open under it. The word that counts names their parts, and
members put these on the board. The key counts from the entry on with which the last one is there.
So no round is locked under it by anybody who does not know them all.
"""

import contextlib
from collections.abc import Collection

from protocol.errors import Malformed
from protocol.key import Epoch, read_epoch
from protocol.messages import (
    InheritedPart,
    InheritedSums,
    KeyInherited,
    Training,
    part_name,
    read_inherited_sums,
)
from protocol.terms import Terms


class Inheritance:
    """What members said of the key that they take over; ``said``: the first word of each.

    counted: the word that counts; sums: what was opened before, once all parts of it are here.
    epoch: the key, once it counts. Each None before.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.said: dict[int, KeyInherited] = {}
        self.counted: KeyInherited | None = None
        self.parts: dict[int, bytes] = {}  # by their places in the word that counts
        self.sums: InheritedSums | None = None
        self.epoch: Epoch | None = None

    @property
    def missing(self) -> Collection[int]:
        """Who has said nothing yet, ascending."""
        return [i for i in range(1, self._terms.n_members + 1) if i not in self.said]

    @property
    def missing_parts(self) -> Collection[int]:
        """The parts that are not here, ascending; none before it is known which they are."""
        count = len(self.counted.sums) if self.counted else 0
        return [number for number in range(count) if number not in self.parts]

    def model_of(self, work: Training) -> bytes | None:
        """The digest of the model that a plan takes from a federation before; None if unknown."""
        if self.sums is None:
            return None
        start = work.start_federation, work.start_study, work.start_round
        return self.sums.model_after(*start)

    def part_excess(self, body: InheritedPart) -> str:
        """Why a part does not count; empty if it does."""
        if self.counted is None:
            return "not enough members have said the same of the key yet"
        if body.number not in self.missing_parts:
            return "this part is here, or there is none of that number"
        if part_name(body.data) != self.counted.sums[body.number]:
            return "it is not the part that the members have named"
        return ""

    def take(self, sender: int, body: KeyInherited | InheritedPart) -> bool:
        """Take the next word or part; whether the key counts with it. What is no key never does."""
        if self.epoch is not None:
            if isinstance(body, KeyInherited):
                self.said.setdefault(sender, body)
            return False
        if isinstance(body, InheritedPart):
            self.parts[body.number] = body.data
        elif sender not in self.said:
            self.said[sender] = body
            alike = sum(said == body for said in self.said.values())
            if self.counted is None and alike >= self._terms.lock_threshold:
                self.counted = body
        self._count()
        return self.epoch is not None

    def _count(self) -> None:
        if self.counted is None or self.missing_parts:
            return
        with contextlib.suppress(Malformed):
            epoch = read_epoch(self.counted.epoch, self._terms)
            self.sums = read_inherited_sums(tuple(self.parts[k] for k in sorted(self.parts)))
            self.epoch = epoch
