"""The head of the board that a hospital had seen when it last spoke, kept in its storage.

A board without it is another one, or one that was cut short.
"""

from participant.disk import Storage
from protocol.board import Head
from protocol.encoding import Message, decode, encode
from protocol.messages import Digest

CHECKPOINT_NAME = "head"
_MAX_BYTES = 1_024


class Checkpoint(Message, frozen=True):
    """A head, as it is stored."""

    position: int
    hash: Digest


def read_checkpoint(data: bytes) -> Head:
    """The head in stored bytes; raises Malformed."""
    found = decode(data, Checkpoint, "head", _MAX_BYTES)
    return Head(found.position, found.hash)


def load_checkpoint(storage: Storage) -> Head | None:
    """The stored head, None before the first; raises Malformed."""
    data = storage.read(CHECKPOINT_NAME)
    return read_checkpoint(data) if data else None


def save_checkpoint(storage: Storage, head: Head) -> None:
    """Store a head; durable when this returns."""
    storage.write(CHECKPOINT_NAME, encode(Checkpoint(head.position, head.hash)))
