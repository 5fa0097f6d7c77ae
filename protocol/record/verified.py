"""What an auditor has verified, as a file that a later audit goes on from.

It binds the head: whatever was before it then has these bytes in any record whose chain has that
hash at that place. With it is what the board stood at there, so that the entries before are not
read again. It is the auditor's own word and is signed by nobody, so whoever can write the file can
have an audit look at less.
"""

from typing import Annotated

from msgspec import Meta

from protocol.board import BoardState, Head, Milliseconds
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.messages import Count, Digest
from protocol.rounds import PastRound

MAX_VERIFIED_BYTES = 1 << 30  # members may call 64 rounds near in each contribution
_DIGEST_BYTES = 32
_FORMAT = "quorate verified 1"


class Verified(Message, frozen=True):
    """A record up to a head in which no check failed.

    rules: a digest of the checks. board: as it stood there; time_ms: of the last entry. places:
    entries with their hashes, the last one among them, from which those that a board may want again
    are found. past: what counts of its rounds at rest for others.
    """

    federation: Digest
    rules: Digest
    board: BoardState
    time_ms: Milliseconds
    places: tuple[tuple[Count, Digest], ...]
    past: tuple[PastRound, ...]
    format: Annotated[str, Meta(pattern=rf"^{_FORMAT}\Z")] = _FORMAT

    @property
    def is_in_order(self) -> bool:
        """Whether its places ascend, up to its head."""
        positions = [position for position, _ in self.places]
        return sorted(positions) == positions and self.places[-1:] == (tuple(self.head),)

    @property
    def head(self) -> Head:
        """The last entry that was verified."""
        return Head(self.board.position, self.board.head)


def write_verified(verified: Verified) -> bytes:
    """What a file holds: the hash shows what a disk has damaged, and no more."""
    return _hashed(encode(verified))


def read_verified(data: bytes) -> Verified:
    """Raises Malformed."""
    said = data[_DIGEST_BYTES:]
    if _hashed(said) != data:
        raise Malformed("verified", "it is not as it was written")
    return decode(said, Verified, "verified", MAX_VERIFIED_BYTES)


def _hashed(data: bytes) -> bytes:
    return digest(_FORMAT, data) + data
