"""What a member of a handover keeps, and where.

Names under which it lies: ``share`` is of the old epoch, all else of an attempt begins with that
attempt's session. Nothing of one attempt is ever taken for that of another.
"""

from typing import Protocol

from keyshare.randomness import derive_key
from protocol.encoding import Message
from protocol.handover.succession import Succession
from protocol.messages import Arrival, Digest, HandedDealing
from protocol.sealing import SealingKey

OLD_SHARE = "share"
MAX_KEPT_BYTES = 512 << 10


def share_of(session: str) -> str:
    """The name of an attempt's new share."""
    return f"{session}/share"


class Shelf(Protocol):
    """Storage that outlives a crash. It keeps secrets, so it is encrypted or nobody else's."""

    def write(self, name: str, data: bytes) -> None:
        """Keep this; all of it is durable on return, or nothing is."""

    def read(self, name: str) -> bytes | None:
        """What is kept, None if nothing is."""

    def delete(self, name: str) -> None:
        """Erase it, if it is there."""


class ArrivalSecret(Message, frozen=True):
    """What a new member's keys for one attempt come from; root: 32 secret bytes."""

    subject: Digest
    root: Digest

    def __repr__(self) -> str:
        return "ArrivalSecret(<secret>)"

    def seed_for(self, dealer: int) -> bytes:
        """Of the key for one old member; it tells nothing of the others."""
        return derive_key(self.root, "handover once", self.subject, dealer)

    @property
    def seed_for_rounds(self) -> bytes:
        """Of the sealing key in the new epoch."""
        return derive_key(self.root, "handover rounds", self.subject)

    def arrival(self, about: Succession) -> Arrival:
        """What its member says."""
        once = (SealingKey(self.seed_for(dealer)).public for dealer in about.rosters.old)
        return Arrival(self.subject, tuple(once), SealingKey(self.seed_for_rounds).public)


class KeptDealing(Message, frozen=True):
    """A dealing as it will be said. plan: the digest of what it is for."""

    plan: Digest
    handed: HandedDealing

    def __repr__(self) -> str:
        return "KeptDealing(<not said yet>)"
