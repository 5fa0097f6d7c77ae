"""What a machine wants to say next, before it is signed and given a place."""

from dataclasses import dataclass, field

from protocol.messages import MAX_INLINE_BYTES, Attachment, Body, attach
from protocol.sealing import SealContext, seal


@dataclass(frozen=True)
class Draft:
    """A body for a session, and the blobs that its attachments and its vector name.

    ``stored``: the names of those that its maker has put into the outbox's storage already, one by
    one, because together they are too large for memory.
    """

    session: str
    body: Body
    blobs: tuple[bytes, ...] = field(default=(), repr=False)
    stored: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Envelope:
    """Seals payloads of one member in one session, one recipient each."""

    federation: bytes
    session: str
    sender: int
    sealing_keys: dict[int, bytes] = field(repr=False)

    def seal_all(
        self, payloads: dict[int, bytes], what: str
    ) -> tuple[list[Attachment], list[bytes]]:
        """Attachments and blobs of private payloads, in the recipients' order."""
        attachments, blobs = [], []
        for recipient in sorted(payloads):
            context = SealContext(self.federation, self.session, what, self.sender, recipient)
            sealed = seal(self.sealing_keys[recipient], payloads[recipient], context)
            attachments.append(attach(sealed, recipient))
            if len(sealed) > MAX_INLINE_BYTES:
                blobs.append(sealed)
        return attachments, blobs


def public_payload(payload: bytes) -> tuple[list[Attachment], list[bytes]]:
    """Attachment and blob of a payload for all."""
    return [attach(payload)], [payload] if len(payload) > MAX_INLINE_BYTES else []
