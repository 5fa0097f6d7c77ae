"""What bounds and scales the updates of a round: what hospitals needed in the rounds before.

The bound is twice the largest change, by its class in the tally, in the last three rounds; the
scale is the most examples in them, by their class. Neither exceeds the terms', which hold where
nothing is known yet. Three rounds, so that one without a change, or without a large hospital,
leaves room for the next; twice, so that changes may grow. A round in which no change reaches above
the lowest class tells nothing of the next one's, and is passed over.

A hospital that is missing from the counts, or sees that they add up to no so many contributors, has
been lied to, and asks for the terms' own bounds, which hold for all if one asks (``bounds_of`` in
protocol/round.py): no bound becomes smaller than what every honest contributor has counted for. Or
else a liar chose by how much each other's update is scaled, and two rounds from nearly the same
model, scaled otherwise, show more of single updates than each of them.
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from keyshare.tally import Counts, Marks
from protocol.encoding import Message
from protocol.terms import Terms

_ROUNDS = 3
_Class = Annotated[int, Meta(ge=0, le=63)]
_Recent = Annotated[tuple[_Class, ...], Meta(max_length=_ROUNDS)]


class Bounds(Message, frozen=True):
    """The largest classes of the last rounds, the newest last."""

    change: _Recent = ()
    examples: _Recent = ()
    is_wronged: bool = False

    def after(self, counts: Counts | None, own: Marks | None) -> Bounds:
        """Those after a round of these counts, where this hospital counted itself as ``own``.

        counts: None where they do not add up. own: None where it did not contribute.
        """
        if counts is None or (own and not counts.has(own)):
            return Bounds(self.change, self.examples, is_wronged=True)
        largest = counts.largest
        change = self.change if counts.is_still else (*self.change, largest.change)
        return Bounds(change[-_ROUNDS:], (*self.examples, largest.examples)[-_ROUNDS:])

    def clip(self, terms: Terms) -> float:
        """The bound to ask for in the next round, a power of two times the terms'."""
        least = 0 if self.is_wronged else min(self.change, default=0)
        return math.ldexp(terms.clip, -max(0, least - 1))

    def max_examples(self, terms: Terms) -> int:
        """The examples to ask weight 1 for in the next round."""
        if self.is_wronged or not self.examples:
            return terms.max_examples
        return min(1 << max(self.examples), terms.max_examples)
