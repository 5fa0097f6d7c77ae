"""Payloads of posts: in the post itself, or named by their hash."""

import hashlib
from typing import Annotated

from msgspec import Meta

from protocol.encoding import Message
from protocol.messages.fields import (
    MAX_ATTACHMENTS,
    MAX_BLOB_BYTES,
    MAX_INLINE_BYTES,
    Digest,
    Index,
)


class Attachment(Message, frozen=True, gc=False):
    """A payload: in the post itself, or named by hash. ``to`` is 0 for all, or one member."""

    to: Index
    size: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
    digest: Digest
    data: Annotated[bytes, Meta(max_length=MAX_INLINE_BYTES)]

    @property
    def is_blob(self) -> bool:
        """Whether the payload lies in the blob store instead of in the post."""
        return self.size > MAX_INLINE_BYTES


def attach(payload: bytes, to: int = 0) -> Attachment:
    """The attachment of a payload; its blob, if it needs one, is the payload itself."""
    inline = payload if len(payload) <= MAX_INLINE_BYTES else b""
    return Attachment(to, len(payload), blob_name(payload), inline)


def blob_name(payload: bytes) -> bytes:
    """The name of a blob: the SHA-256 of its bytes, which every store and ``sha256sum`` can tell.

    Hashes of all else begin with a domain (``keyshare.digest``). Whoever writes bytes that begin so
    too gives a blob the name of something else. So a name of a blob is never compared with one.
    """
    return hashlib.sha256(payload).digest()


Attachments = Annotated[tuple[Attachment, ...], Meta(max_length=MAX_ATTACHMENTS)]
