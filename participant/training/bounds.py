"""What bounds and scales the updates of a round: what hospitals needed in the rounds before.

The bound is twice the largest change, by its class in the tally, in the last three rounds; the
scale is the most examples in them, by their class. Neither exceeds the plan's, which hold where
nothing is known yet. Three rounds, so that one without a change, or without a large hospital,
leaves room for the next; twice, so that changes may grow, and more where they have just grown more
than was known: by as much again. What stood out, and needed more than the
three rounds before it had room for, counts for eight rounds: a hospital that needs more than the
others, and does not contribute to each, finds room when it comes again. A round in which nobody
changes anything tells nothing of the next one's changes, and is passed over.

Whose update does not fit all the same, does not scale it down: the round is *outgrown*, its sum
shows no update, and the next one, from the same model, has bounds that follow from its counts
(participant/rounds/contribution.py). So all that a hospital contributes from a model is the same
multiple of its update, whatever bounds a round has.

A hospital that is missing from the counts, or sees that they add up to no so many contributors, has
been lied to. It takes that round for one in which all was needed that the plan allows, and so asks
for the plan's own bounds as long as the round is among the last three; they hold for all if one
asks (``bounds_of`` in protocol/rounds/view.py). So no bound becomes smaller than what each honest
contributor has counted for in these rounds. Or else a liar could have a hospital's updates outgrow
round after round, with nobody told.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, ldexp
from typing import Annotated

from msgspec import Meta

from keyshare.rounds import Counts, Marks
from protocol.board import Study
from protocol.encoding import Message

_RECENT, _LONG = 3, 8  # rounds
_ALL = 63  # as much as any plan allows
_Class = Annotated[int, Meta(ge=0, le=_ALL)]
_Past = Annotated[tuple[_Class, ...], Meta(max_length=_RECENT + _LONG)]


class Bounds(Message, frozen=True):
    """How many powers of two below the clip, and of examples, the last rounds needed.

    The newest last; ``_ALL`` where all was needed that the plan allows.
    """

    change: _Past = ()
    examples: _Past = ()

    def after(self, counts: Counts | None, own: Marks | None) -> Bounds:
        """Those after a round of these counts, where this hospital counted itself as ``own``.

        counts: None where they cannot be believed. own: None where it did not contribute, or does
        not know how it counted itself.
        """
        if counts is None or (own and not counts.has(own)):
            largest, is_still = Marks(_ALL, _ALL), False
        else:
            largest, is_still = counts.largest, counts.is_still
        change = self.change if is_still else (*self.change, largest.change)
        examples = *self.examples, largest.examples
        return Bounds(change[-_RECENT - _LONG :], examples[-_RECENT - _LONG :])

    def clip(self, study: Study) -> float:
        """The bound to ask for in the next round, a power of two times the plan's."""
        past = [inf if one == _ALL else -one for one in self.change]
        grown = past[-1] - max(past[:-1]) if len(past) > 1 else 0
        room = 1 + max(0, grown) if grown < inf else 1
        return ldexp(study.training.clip, int(min(0, _needed(past, room=1) + room)))

    def max_examples(self, study: Study) -> int:
        """The most examples to ask for in the next round."""
        needed = _needed([inf if one == _ALL else one for one in self.examples], room=0)
        return min(1 << int(min(needed, _ALL)), study.training.max_examples)


def _needed(past: Sequence[float], room: int) -> float:
    """The largest power of two of the last rounds, and of those in the last eight that stood out.

    Infinity where all is needed. ``room``: by how much a round has more than those before needed.
    """
    stood_out = [
        one
        for k, one in enumerate(past)
        if k >= max(1, len(past) - _LONG) and max(past[max(0, k - _RECENT) : k]) + room < one < inf
    ]
    return max([*past[-_RECENT:], *stood_out], default=inf)
