"""What an auditor has verified, as a file that a later audit goes on from.

It binds the head: whatever was before it then has these bytes in any record whose chain has that
hash at that place. It is the auditor's own word and is signed by nobody, so whoever can write the
file can have an audit look at less.
"""

from typing import Annotated

from msgspec import Meta

from protocol.board import Head
from protocol.encoding import Message, decode
from protocol.messages import Count, Digest, Session

MAX_VERIFIED_BYTES = 1 << 24
_FORMAT = "quorate verified 1"


class Verified(Message, frozen=True):
    """A record up to a head in which no check failed.

    rules: a digest of the checks. doubtful: the sessions of rounds whose payloads told that
    something was wrong, which a later audit judges again.
    """

    federation: Digest
    rules: Digest
    position: Count
    hash: Digest
    doubtful: tuple[Session, ...] = ()
    format: Annotated[str, Meta(pattern=rf"^{_FORMAT}\Z")] = _FORMAT

    @property
    def head(self) -> Head:
        """The last entry that was verified."""
        return Head(self.position, self.hash)


def read_verified(data: bytes) -> Verified:
    """Raises Malformed."""
    return decode(data, Verified, "verified", MAX_VERIFIED_BYTES)
