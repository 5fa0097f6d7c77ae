"""The list of tamperings, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.board.board import Entry, Head, SignedPost
from tests.stage.record.good import Good
from tests.stage.record.story import Written, files_of

AGGREGATOR = "the aggregator"
KEY, LAST = "ceremony/2", "round/3"  # the ceremony that made the key, and the last round


@dataclass(frozen=True)
class Broken:
    """A record in which something is wrong, and the remark that must be made about it."""

    files: dict[str, bytes]
    check: str
    entry: int
    party: str
    is_failure: bool = True
    fingerprint: bytes = b""  # what the reader gives, if not the right one
    since: Head | None = None


Tampering = Callable[[Good], Broken]
TAMPERINGS: dict[str, Tampering] = {}


def tampering(make: Tampering) -> Tampering:
    """Enter it into the list."""
    TAMPERINGS[make.__name__] = make
    return make


def flipped(data: bytes, at: int = -1) -> bytes:
    """The bytes with one bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def rechained(
    written: Written,
    change: Callable[[int, SignedPost], SignedPost | None] = lambda position, post: post,
    begin: bytes = b"",
) -> dict[str, bytes]:
    """The files after the aggregator has changed posts, or left them out, and chained again."""
    entries, previous = list[Entry](), begin or written.entries[0].previous
    for position, entry in enumerate(written.entries, start=1):
        if (post := change(position, entry.post)) is not None:
            entries.append(Entry(len(entries) + 1, previous, entry.time_ms, post))
            previous = entries[-1].hash
    return files_of(written.story, entries)
