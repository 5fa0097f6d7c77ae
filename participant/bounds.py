"""What bounds and scales the updates of a round: what hospitals needed in the rounds before.

The bound is twice the largest change, by its class in the tally, in the last three rounds; the
scale is the most examples in them, by their class. Neither exceeds the terms', which hold where
nothing is known yet. Three rounds, so that one without a change, or without a large hospital,
leaves room for the next; twice, so that changes may grow. A round in which nobody changes anything
tells nothing of the next one's changes, and is passed over.

A hospital that is missing from the counts, or sees that they add up to no so many contributors, has
been lied to. It takes that round for one in which all was needed that the terms allow, and so asks
for the terms' own bounds as long as the round is among the last three; they hold for all if one
asks (``bounds_of`` in protocol/round.py). So no bound becomes smaller than what each honest
contributor has counted for in these rounds. Or else a liar chose by how much each other's update is
scaled, and two rounds from nearly the same model, scaled otherwise, show more of single updates
than each of them.

*Fixed bounds.* From one model each hospital adds the same to every sum, or the difference of two
over the same members would show a part of single updates. So what a round was opened with holds for
all later rounds from its model (``Bounds.fixed``): where a void round, or one that changed too
little to be kept, left the model as it was, where it comes back after another one, and where it is
begun with anew (``bound_as_before`` in participant/outcome.py). One sum is excepted, that which is
nothing in every weight, if no other from this model was opened before: it says that rounding has
swallowed all updates, and who wants to bring it about by what it adds itself has to know the
others' rounded sum. Were such a round's bounds fixed, they would swallow all later ones.
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from keyshare.tally import Counts, Marks
from protocol.encoding import Message
from protocol.messages import Clip, Count
from protocol.terms import Terms

_ROUNDS = 3
_Class = Annotated[int, Meta(ge=0, le=63)]
_ALL = Marks(0, 63)  # as much as any terms allow
_Recent = Annotated[tuple[_Class, ...], Meta(max_length=_ROUNDS)]


class Bounds(Message, frozen=True):
    """The largest classes of the last rounds, the newest last.

    ``fixed``: clip and most examples that the next round must have.
    """

    change: _Recent = ()
    examples: _Recent = ()
    fixed: tuple[Clip, Count] | None = None

    def after(self, counts: Counts | None, own: Marks | None) -> Bounds:
        """Those after a round of these counts, where this hospital counted itself as ``own``.

        counts: None where they cannot be believed. own: None where it did not contribute.
        What is fixed remains so.
        """
        if counts is None or (own and not counts.has(own)):
            largest, is_still = _ALL, False
        else:
            largest, is_still = counts.largest, counts.is_still
        change = self.change if is_still else (*self.change, largest.change)
        examples = *self.examples, largest.examples
        return Bounds(change[-_ROUNDS:], examples[-_ROUNDS:], self.fixed)

    def clip(self, terms: Terms) -> float:
        """The bound to ask for in the next round, a power of two times the terms'."""
        if self.fixed:
            return self.fixed[0]
        return math.ldexp(terms.clip, -max(0, min(self.change, default=0) - 1))

    def max_examples(self, terms: Terms) -> int:
        """The examples to ask weight 1 for in the next round."""
        if self.fixed:
            return self.fixed[1]
        return min(1 << max(self.examples, default=_ALL.examples), terms.max_examples)
