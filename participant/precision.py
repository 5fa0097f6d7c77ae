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
from protocol.messages import Count, Digest, Opening
from protocol.terms import Terms

Told = tuple[str, dict[str, Any]]  # an event, and its facts
_NAME = "last-contribution"
_MAX_BYTES = 100
_Class = Annotated[int, Meta(ge=0, le=63)]


class _Kept(Message, frozen=True):
    """What this hospital contributed last: the classes that it counted itself in, and how often its
    update from the model was halved.
    """

    number: int
    change: _Class
    examples: _Class
    model: Digest
    halvings: Count


def of_update(writer: SlotWriter, examples: int, opening: Opening, terms: Terms) -> Iterator[Told]:
    """What the bounds of a round did to this hospital's update."""
    if writer.halvings:
        is_terms = opening.clip == terms.clip
        yield "scaled", {"to": 2.0**-writer.halvings, "clip": opening.clip, "is_terms": is_terms}
    if writer.capped:
        yield "capped", {"examples": examples, "most": opening.max_examples}


def keep(storage: Storage, number: int, opening: Opening, writer: SlotWriter) -> None:
    """Remember, durably, how the slots of a contribution were written, until the next one."""
    kept = _Kept(number, *writer.marks, opening.model, writer.halvings)
    storage.write(_NAME, encode(kept))


def halved_before(storage: Storage, model: bytes) -> int | None:
    """How often the last update was halved, if it was one from this model."""
    kept = _last(storage)
    return kept.halvings if kept and kept.model == model else None


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
    kept = _last(storage)
    return Marks(kept.change, kept.examples) if kept and kept.number == number else None


def _last(storage: Storage) -> _Kept | None:
    try:
        return decode(storage.read(_NAME) or b"", _Kept, "last contribution", _MAX_BYTES)
    except Malformed:
        return None
