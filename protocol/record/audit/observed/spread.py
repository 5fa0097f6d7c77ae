"""What an audit has done elsewhere, if it may: signatures and rounds, each of which stands alone.

All is asked in chunks of bounded size, which come back in order. So nothing depends on where the
work is done, or on where one chunk ends and the next one begins.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from protocol.board import MAX_ENTRY_BYTES, POST_SIGNATURE, Post, decode_entry, entry_hash
from protocol.encoding import decode
from protocol.errors import BadSignature, Malformed
from protocol.messages import MAX_POST_BYTES
from protocol.record import RecordFiles, entry_path
from protocol.record.audit.observed.judged_round import JudgedRound, RoundToJudge, judge_all
from protocol.record.audit.observed.payloads import RecordedPayloads
from protocol.signing import verify

T = TypeVar("T")
R = TypeVar("R")
_ENTRIES, _ROUNDS = 256, 32  # of a chunk


class Spread(Protocol):
    """Calls a function of a module for each of some items, in processes or here; as ``map``."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]: ...


@dataclass(frozen=True)
class Signed:
    """Some entries, by their hashes, and the keys of all members and the aggregator, by number."""

    files: RecordFiles
    hashes: Sequence[bytes]
    keys: Sequence[bytes]

    def fit(self) -> list[bool]:
        """Whether each entry is there as named, and its post signed by one of these who sent it."""
        return [self._fits(expected) for expected in self.hashes]

    def _fits(self, expected: bytes) -> bool:
        data = self.files.read(entry_path(expected), MAX_ENTRY_BYTES) or b""
        try:
            entry = decode_entry(data)
            sender = decode(entry.post.post, Post, "post", MAX_POST_BYTES).sender
            if entry_hash(data) != expected or sender >= len(self.keys):
                return False
            signed = entry.post
            verify(self.keys[sender], signed.signature, sender, POST_SIGNATURE, signed.post)
        except (Malformed, BadSignature):
            return False
        return True


class Rounds(NamedTuple):
    """Some rounds of a record."""

    payloads: RecordedPayloads
    rounds: Sequence[RoundToJudge]

    def judged(self) -> list[JudgedRound]:
        """What their payloads tell."""
        return judge_all(self.rounds, self.payloads)


def signed(
    spread: Spread, files: RecordFiles, hashes: Sequence[bytes], keys: Sequence[bytes]
) -> Iterator[bool]:
    """Whether each entry is there, and its post signed as it says by the owner of one of the keys.

    Where it is not, it may be a guest's.
    """
    chunks = (Signed(files, some, keys) for some in _chunks(hashes, _ENTRIES))
    for found in spread(Signed.fit, chunks):
        yield from found


def judged(
    spread: Spread, payloads: RecordedPayloads, rounds: Iterable[RoundToJudge]
) -> Iterator[JudgedRound]:
    """What the payloads of each round tell."""
    chunks = (Rounds(payloads, some) for some in _chunks(rounds, _ROUNDS))
    for found in spread(Rounds.judged, chunks):
        yield from found


def _chunks(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
