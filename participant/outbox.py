"""Own posts on their way: durable before they leave, the same bytes however often they are sent.

Blobs lie in the storage alone: a post can need some hundred megabytes of them. Its maker may store
them one by one, ahead of the post; until the post itself is stored, they have not been said.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from participant.errors import DamagedOutbox
from protocol.board import Post, SignedPost
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import MAX_ATTACHMENTS, MAX_CHUNKS, MAX_POST_BYTES, Digest, blob_name

_PREFIX = "outbox/blob-"
_NAME_BYTES = 34  # of an encoded name
_MAX_PENDING_BYTES = MAX_POST_BYTES + 1_024 + _NAME_BYTES * (MAX_CHUNKS + MAX_ATTACHMENTS)


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
    blobs: tuple[Digest, ...]

    @property
    def post(self) -> Post:
        """The post itself."""
        return decode(self.signed.post, Post, "own post", MAX_POST_BYTES)


def store_blob(storage: Storage, blob: bytes) -> bytes:
    """Store a blob ahead of the post that will need it; durable when its name is returned.

    To be called while the agent works: it deletes what belongs to no post when it is made. A blob
    of the post that is pending may not be stored for the next one as well.
    """
    name = blob_name(blob)
    storage.write(_file(name), blob)
    return name


class Outbox:
    """At most one post at a time: the next is made when the last is seen on the board."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.pending: Pending | None = None
        self.sizes: dict[bytes, int] = {}  # of the pending post's blobs, in their order
        self._load()

    def _load(self) -> None:
        data = self._storage.read("outbox/post")
        try:
            if data is not None:
                self.pending = decode(data, Pending, "outbox", _MAX_PENDING_BYTES)
                _ = self.pending.post
        except Malformed as error:
            raise DamagedOutbox("post", error.reason) from None
        needed = self.pending.blobs if self.pending else ()
        for file in set(self._storage.names(_PREFIX)) - set(map(_file, needed)):
            self._storage.delete(file)  # of a post that was settled, or never made
        self.sizes = self._measured(needed)

    def put(
        self, signed: SignedPost, blobs: tuple[bytes, ...], stored: tuple[bytes, ...] = ()
    ) -> None:
        """Keep a post until it is on the board; durable when this returns.

        ``stored``: names of blobs stored before. Raises DamagedOutbox if one of them is not there.
        """
        names = dict.fromkeys([*(store_blob(self._storage, blob) for blob in blobs), *stored])
        sizes = self._measured(names)
        pending = Pending(signed, tuple(names))
        self._storage.write("outbox/post", encode(pending))
        self.pending, self.sizes = pending, sizes

    def blob(self, name: bytes) -> bytes | None:
        """A blob of the pending post, from the storage; raises DamagedOutbox if it is not there."""
        return self._read(name) if name in self.sizes else None

    def size(self, name: bytes) -> int | None:
        """The size of a blob of the pending post."""
        return self.sizes.get(name)

    def settle(self) -> None:
        """The pending post is on the board: forget it."""
        names = list(self.sizes)
        self._storage.delete("outbox/post")
        self.pending, self.sizes = None, {}
        for name in names:
            self._storage.delete(_file(name))

    def _measured(self, names: Iterable[bytes]) -> dict[bytes, int]:
        """The blobs' sizes, after a look at each one's bytes."""
        return {name: len(self._read(name)) for name in names}

    def _read(self, name: bytes) -> bytes:
        blob = self._storage.read(_file(name))
        if blob is None or blob_name(blob) != name:
            raise DamagedOutbox(f"blob-{name.hex()}", "it is missing or damaged")
        return blob


def _file(name: bytes) -> str:
    return f"{_PREFIX}{name.hex()}"
