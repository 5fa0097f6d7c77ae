"""Which key a federation takes over, by what its members say of it on their own board.

A member says it once. The key counts from the entry on with which lock_threshold members have said
the very same. Two such sets share an honest member, so no two keys count, on whatever boards. And
no f members, silent or lying, keep the others from it.
"""

import contextlib
from collections.abc import Collection

from protocol.errors import Malformed
from protocol.key import Epoch, read_epoch
from protocol.messages import KeyInherited
from protocol.terms import Terms


class Inheritance:
    """What members said of the key that they take over; ``said``: the first word of each.

    epoch: the key that counts. counted: what it counts by. Both None before.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.said: dict[int, KeyInherited] = {}
        self.counted: KeyInherited | None = None
        self.epoch: Epoch | None = None

    @property
    def missing(self) -> Collection[int]:
        """Who has said nothing yet, ascending."""
        return [i for i in range(1, self._terms.n_members + 1) if i not in self.said]

    def take(self, sender: int, body: KeyInherited) -> bool:
        """Take the next word; whether the key counts with it. What is no key never does."""
        if sender in self.said:
            return False
        self.said[sender] = body
        alike = sum(said == body for said in self.said.values())
        if self.epoch is None and alike >= self._terms.lock_threshold:
            with contextlib.suppress(Malformed):
                self.epoch, self.counted = read_epoch(body.epoch, self._terms), body
                return True
        return False
