"""Own posts on their way: durable before they leave, the same bytes however often they are sent.

Blobs lie in the storage alone: a post can need some hundred megabytes of them. Its maker may store
them one by one, ahead of the post; until the post itself is stored, they have not been said.

The vector of the last contribution stays after that: its checksum is needed for the round's
lock. The next post of its round lets go of it, or the next contribution.
"""

from collections.abc import Iterable

from participant.disk import Storage
from participant.errors import DamagedFile
from protocol.board import Post, SignedPost
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import (
    MAX_ATTACHMENTS,
    MAX_CHUNKS,
    MAX_POST_BYTES,
    Contribution,
    Digest,
    Session,
    blob_name,
)

_PREFIX = "outbox/blob-"
_NAME_BYTES = 34  # of an encoded name
_MAX_PENDING_BYTES = MAX_POST_BYTES + 1_024 + _NAME_BYTES * (MAX_CHUNKS + MAX_ATTACHMENTS)


class Pending(Message, frozen=True):
    """A signed post that is not yet on the board, and the names of the blobs it needs there."""

    signed: SignedPost
    blobs: tuple[Digest, ...]

    @property
    def post(self) -> Post:
        """The post itself."""
        return decode(self.signed.post, Post, "own post", MAX_POST_BYTES)


class KeptVector(Message, frozen=True):
    """The blobs of a contribution that is on the board."""

    session: Session
    blobs: tuple[Digest, ...]


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
        self._kept: KeptVector | None = None
        self._readable: set[bytes] = set()  # blobs of the kept vector, as far as is known
        self._load()

    def _load(self) -> None:
        data = self._storage.read("outbox/post")
        try:
            if data is not None:
                self.pending = decode(data, Pending, "outbox", _MAX_PENDING_BYTES)
                _ = self.pending.post
        except Malformed as error:
            raise DamagedFile("outbox/post", error.reason, "outbox") from None
        self._keep(self._load_kept())
        needed = self.pending.blobs if self.pending else ()
        for file in set(self._storage.names(_PREFIX)) - {
            *map(_file, needed),
            *map(_file, self._readable),
        }:
            self._storage.delete(file)  # of a post that was settled, or never made
        self.sizes = self._measured(needed)

    def _load_kept(self) -> KeptVector | None:
        """None also if the record is damaged: the aggregator has the vector as well."""
        data = self._storage.read("outbox/kept")
        try:
            return decode(data, KeptVector, "kept vector", _MAX_PENDING_BYTES) if data else None
        except Malformed:
            return None

    def _keep(self, kept: KeptVector | None) -> None:
        self._kept, self._readable = kept, set(kept.blobs) if kept else set()

    def put(
        self, signed: SignedPost, blobs: tuple[bytes, ...], stored: tuple[bytes, ...] = ()
    ) -> None:
        """Keep a post until it is on the board; durable when this returns.

        ``stored``: names of blobs stored before. Raises DamagedFile if one of them is not there,
        and Malformed for a post that nobody can read.
        """
        decode(signed.post, Post, "post", MAX_POST_BYTES)  # else no later command could begin
        names = dict.fromkeys([*(store_blob(self._storage, blob) for blob in blobs), *stored])
        sizes = self._measured(names)
        pending = Pending(signed, tuple(names))
        self._storage.write("outbox/post", encode(pending))
        self.pending, self.sizes = pending, sizes

    def blob(self, name: bytes) -> bytes | None:
        """A blob of the pending post or of the kept vector, from the storage.

        Raises DamagedFile if one of the pending post is not there.
        """
        if name in self.sizes:
            return self._read(name)
        if name not in self._readable:
            return None
        blob = self._storage.read(_file(name))
        if blob is not None and blob_name(blob) == name:
            return blob
        self._readable.discard(name)
        return None

    def holds(self, name: bytes) -> bool:
        """Whether a blob is here, unless it turns out damaged when it is read."""
        return name in self.sizes or name in self._readable

    def settle(self) -> None:
        """The pending post is on the board: forget it, and keep the vector of a contribution."""
        assert self.pending is not None
        names = {*self.sizes, *(self._kept.blobs if self._kept else ())}
        self._keep_of(self.pending.post)
        self._storage.delete("outbox/post")
        self.pending, self.sizes = None, {}
        for name in names - (set(self._kept.blobs) if self._kept else set()):
            self._storage.delete(_file(name))

    def discard(self) -> None:
        """The pending post can never be on the board: forget it and its blobs."""
        names = set(self.sizes) - (set(self._kept.blobs) if self._kept else set())
        self._storage.delete("outbox/post")
        self.pending, self.sizes = None, {}
        for name in names:
            self._storage.delete(_file(name))

    def _keep_of(self, post: Post) -> None:
        if isinstance(post.body, Contribution) and post.body.vector:
            kept = KeptVector(post.session, post.body.vector)
            self._storage.write("outbox/kept", encode(kept))
            self._keep(kept)
        elif self._kept and self._kept.session == post.session:
            self._storage.delete("outbox/kept")
            self._keep(None)

    def _measured(self, names: Iterable[bytes]) -> dict[bytes, int]:
        """The blobs' sizes, after a look at each one's bytes."""
        return {name: len(self._read(name)) for name in names}

    def _read(self, name: bytes) -> bytes:
        blob = self._storage.read(_file(name))
        if blob is None or blob_name(blob) != name:
            raise DamagedFile(f"outbox/blob-{name.hex()}", "it is missing or damaged", "outbox")
        return blob


def _file(name: bytes) -> str:
    return f"{_PREFIX}{name.hex()}"
