"""How a hospital wrote the slots of its last contribution: kept on its disk until the next one.

By its marks it sees whether it was counted right when the sum is opened. By its halvings it adds
the same to every sum from one model. Nothing of it leaves the hospital.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from keyshare.slots import SlotWriter
from keyshare.tally import Marks
from participant.outbox import Storage
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import Count, Digest, Opening

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


def keep(storage: Storage, number: int, opening: Opening, writer: SlotWriter) -> None:
    """Remember, durably, how the slots of a contribution were written, until the next one."""
    kept = _Kept(number, *writer.marks, opening.model, writer.halvings)
    storage.write(_NAME, encode(kept))


def halved_before(storage: Storage, model: bytes) -> int | None:
    """How often the last update was halved, if it was one from this model."""
    kept = _last(storage)
    return kept.halvings if kept and kept.model == model else None


def marks_of(storage: Storage, number: int) -> Marks | None:
    """The own classes in a round; None if this hospital has contributed to another one since."""
    kept = _last(storage)
    return Marks(kept.change, kept.examples) if kept and kept.number == number else None


def _last(storage: Storage) -> _Kept | None:
    try:
        return decode(storage.read(_NAME) or b"", _Kept, "last contribution", _MAX_BYTES)
    except Malformed:
        return None
