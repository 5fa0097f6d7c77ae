"""What an audit has done elsewhere, if it may: entries and rounds, each of which stands alone.

All is asked in chunks of bounded size, which come back in order. So nothing depends on where the
work is done, or on where one chunk ends and the next one begins.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from protocol.board import (
    MAX_ENTRY_BYTES,
    POST_SIGNATURE,
    OpenedEntry,
    Post,
    attachments_fit,
    decode_entry,
    entry_hash,
)
from protocol.encoding import decode, encode
from protocol.errors import BadSignature, Malformed
from protocol.messages import MAX_POST_BYTES
from protocol.record import RecordFiles, entry_path
from protocol.record.audit.observed.judged_round import JudgedRound, RoundToJudge, judge_all
from protocol.record.audit.observed.lean import unsealed
from protocol.record.audit.observed.payloads import RecordedPayloads
from protocol.signing import verify

T = TypeVar("T")
R = TypeVar("R")
MANY = 1_024  # entries of a record that is worth several processes
_ENTRIES, _ROUNDS = 256, 64  # of a chunk


class Spread(Protocol):
    """Whoever works items off, in processes or here."""

    def begin(self) -> None:
        """Get ready, as much will be asked soon."""

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Call a function of a module for each item; the first ones are begun with at once."""


class ReadPost(NamedTuple):
    """What is told of an entry whose post is its sender's: encoded, as it goes to others."""

    position: int
    previous: bytes
    time_ms: int
    post: bytes
    digest: bytes


@dataclass(frozen=True)
class UnreadEntries:
    """Some entries, by their hashes, and the keys of all members and the aggregator, by number."""

    files: RecordFiles
    hashes: Sequence[bytes]
    keys: Sequence[bytes]

    def read(self) -> list[ReadPost | None]:
        """Each that is there as named, if its post is signed by one of these who sent it.

        Its attachments are as they describe themselves; what is sealed to members is left out.
        """
        return [self._read(expected) for expected in self.hashes]

    def _read(self, expected: bytes) -> ReadPost | None:
        data = self.files.read(entry_path(expected), MAX_ENTRY_BYTES) or b""
        try:
            entry = decode_entry(data)
            signed = entry.post
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
            if entry_hash(data) != expected or post.sender >= len(self.keys):
                return None
            key = self.keys[post.sender]
            verify(key, signed.signature, post.sender, POST_SIGNATURE, signed.post)
        except (Malformed, BadSignature):
            return None
        if not attachments_fit(post.body):
            return None
        kept = unsealed(post)
        said = signed.post if kept is post else encode(kept)
        return ReadPost(entry.position, entry.previous, entry.time_ms, said, signed.digest)


class Rounds(NamedTuple):
    """Some rounds of a record."""

    payloads: RecordedPayloads
    rounds: Sequence[RoundToJudge]

    def judged(self) -> list[JudgedRound]:
        """What their payloads tell."""
        return judge_all(self.rounds, self.payloads)


def opened(
    spread: Spread, files: RecordFiles, hashes: Sequence[bytes], keys: Sequence[bytes]
) -> Iterator[OpenedEntry | None]:
    """Each entry, if it is there, and its post signed as it says by the owner of one of the keys.

    Where it is not, it may be a guest's.
    """
    chunks = (UnreadEntries(files, some, keys) for some in _chunks(hashes, _ENTRIES))
    for some, found in zip(
        _chunks(hashes, _ENTRIES), spread.map(UnreadEntries.read, chunks), strict=True
    ):
        for expected, read in zip(some, found, strict=True):
            yield read and _opened(expected, read)


def _opened(expected: bytes, read: ReadPost) -> OpenedEntry:
    post = decode(read.post, Post, "post", MAX_POST_BYTES)
    return OpenedEntry(read.position, read.previous, expected, read.time_ms, post, read.digest)


def judged(
    spread: Spread | None, payloads: RecordedPayloads, rounds: Sequence[RoundToJudge]
) -> Iterator[JudgedRound]:
    """What the payloads of each round tell; elsewhere it is begun with at once."""
    chunks = (Rounds(payloads, some) for some in _chunks(rounds, _ROUNDS))
    found = spread.map(Rounds.judged, chunks) if spread else map(Rounds.judged, chunks)
    return (one for some in found for one in some)


def _chunks(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
