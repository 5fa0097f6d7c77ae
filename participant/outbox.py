"""Own posts on their way: durable before they leave, the same bytes however often they are sent."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from participant.errors import DamagedOutbox
from protocol.board import Post, SignedPost
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import MAX_POST_BYTES, blob_name


class Output(Protocol):
    """Takes the bytes of one name, in order."""

    def write(self, data: bytes) -> None: ...


class Storage(Protocol):
    """Durable bytes under names: what is written is there after a crash, whole or not at all.

    ``writing`` takes them in parts: the name appears when its block ends, unless by an exception.
    """

    def write(self, name: str, data: bytes) -> None: ...
    def writing(self, name: str) -> AbstractContextManager[Output]: ...
    def read(self, name: str) -> bytes | None: ...
    def delete(self, name: str) -> None: ...
    def names(self, prefix: str = "") -> list[str]: ...


class Pending(Message, frozen=True):
    """A signed post that is not yet on the board, and the names of the blobs it needs there."""

    signed: SignedPost
    blobs: tuple[bytes, ...]

    @property
    def post(self) -> Post:
        """The post itself."""
        return decode(self.signed.post, Post, "own post", MAX_POST_BYTES)


class Outbox:
    """At most one post at a time: the next is made when the last is seen on the board."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.pending: Pending | None = None
        self._blobs: dict[bytes, bytes] = {}
        self._load()

    def _load(self) -> None:
        data = self._storage.read("outbox/post")
        try:
            if data is not None:
                self.pending = decode(data, Pending, "outbox", 2 * MAX_POST_BYTES)
                _ = self.pending.post
        except Malformed as error:
            raise DamagedOutbox("post", error.reason) from None
        needed = set(self.pending.blobs if self.pending else ())
        for name in self._storage.names("outbox/blob-"):
            blob = self._storage.read(name) or b""
            if blob_name(blob) in needed:
                self._blobs[blob_name(blob)] = blob
            else:
                self._storage.delete(name)
        if missing := needed - set(self._blobs):
            raise DamagedOutbox(f"blob-{missing.pop().hex()}", "it is missing or damaged")

    def put(self, signed: SignedPost, blobs: tuple[bytes, ...]) -> None:
        """Keep a post until it is on the board; durable when this returns."""
        self._blobs = {blob_name(blob): blob for blob in blobs}
        for name, blob in self._blobs.items():
            self._storage.write(f"outbox/blob-{name.hex()}", blob)
        pending = Pending(signed, tuple(self._blobs))
        self._storage.write("outbox/post", encode(pending))
        self.pending = pending

    def blob(self, name: bytes) -> bytes | None:
        """A blob of the pending post."""
        return self._blobs.get(name)

    def settle(self) -> None:
        """The pending post is on the board: forget it."""
        self._storage.delete("outbox/post")
        for name in self._blobs:
            self._storage.delete(f"outbox/blob-{name.hex()}")
        self.pending, self._blobs = None, {}
