"""How a hospital counted itself in its last contribution: kept on its disk until the next one.

By its marks it sees whether it was counted right when the sum is opened. Nothing of it leaves the
hospital.
"""

from typing import Annotated

from msgspec import Meta

from keyshare.rounds import Marks
from participant.disk import Storage
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed

_MAX_BYTES = 100
_Class = Annotated[int, Meta(ge=0, le=63)]


class _Kept(Message, frozen=True):
    """The classes that this hospital counted itself in last in a study."""

    number: int
    change: _Class
    examples: _Class


def keep(storage: Storage, study: str, number: int, marks: Marks) -> None:
    """Remember, durably, how this hospital counted itself in a study's round, until the next."""
    storage.write(_name(study), encode(_Kept(number, *marks)))


def marks_of(storage: Storage, study: str, number: int) -> Marks | None:
    """The own classes in a round; None if this hospital has contributed to another one since."""
    try:
        kept = decode(storage.read(_name(study)) or b"", _Kept, "last contribution", _MAX_BYTES)
    except Malformed:
        return None
    return Marks(kept.change, kept.examples) if kept.number == number else None


def _name(study: str) -> str:
    return f"studies/{study}/last-contribution"
