"""What a hospital is told of its own update's bounds, and of how exactly a round was averaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta

from keyshare.slots import SlotReader, SlotWriter
from keyshare.tally import Marks
from participant.outbox import Storage
from participant.outcome import Outcome
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import Opening
from protocol.terms import Terms

Told = tuple[str, dict[str, Any]]  # an event, and its facts
_NAME = "marks"
_MAX_BYTES = 64
_Class = Annotated[int, Meta(ge=0, le=63)]


class _Kept(Message, frozen=True):
    """The classes that this hospital counted itself in, in a round."""

    number: int
    change: _Class
    examples: _Class


def of_update(writer: SlotWriter, examples: int, opening: Opening, terms: Terms) -> Iterator[Told]:
    """What the bounds of a round did to this hospital's update."""
    if writer.scaled < 1:
        is_terms = opening.clip == terms.clip
        yield "scaled", {"to": writer.scaled, "clip": opening.clip, "is_terms": is_terms}
    if writer.capped:
        yield "capped", {"examples": examples, "most": opening.max_examples}


def keep_marks(storage: Storage, number: int, marks: Marks) -> None:
    """Remember, durably, the own classes until the round is opened."""
    storage.write(_NAME, encode(_Kept(number, *marks)))


def of_sum(reader: SlotReader, own: Marks | None, outcome: Outcome, terms: Terms) -> Iterator[Told]:
    """How far rounding has changed the average, and what is wrong with the round's counts.

    ``rounding``: the root mean square of what it changed, in that of the average; 1 at most.
    """
    changed = outcome.root_mean_square
    error = reader.rounding_error(terms.stochastic_rounding)
    if changed or (reader.counts and not reader.counts.is_still):
        yield "rounding", {"rounding": min(1.0, error / changed) if changed else 1.0}
    if reader.counts is None:
        yield "counts-refused", {}
    elif own and not reader.counts.has(own):
        yield "uncounted", {}


def marks_of(storage: Storage, number: int) -> Marks | None:
    """The own classes in a round; None if this hospital has contributed to another one since."""
    try:
        kept = decode(storage.read(_NAME) or b"", _Kept, "marks", _MAX_BYTES)
    except Malformed:
        return None
    return Marks(kept.change, kept.examples) if kept.number == number else None
