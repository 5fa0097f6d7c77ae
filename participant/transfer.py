"""Blobs on their way up and down, in chunks that can be lost, repeated or cut short."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from participant.errors import DamagedBlob
from protocol.messages import blob_name
from protocol.wire import CHUNK_BYTES, BlobChunk, BlobHave, BlobOffer, BlobRequest

WINDOW = 16  # blobs on their way up at a time, with a chunk of each in memory


@dataclass(frozen=True)
class Transfer:
    """How far blobs have got: the pending post's to the aggregator, the wanted ones to here."""

    bytes_sent_of_blobs: int  # that the aggregator holds
    bytes_to_send: int
    bytes_received: int
    bytes_wanted: int


class Uploads:
    """The blobs that the pending post needs at the aggregator; their bytes stay where they are."""

    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        """``read``: the bytes of a blob by its name."""
        self._read = read
        self._sizes: dict[bytes, int] = {}
        self._waiting: deque[bytes] = deque()
        self._held: dict[bytes, int] = {}  # of each blob on its way: the aggregator's bytes
        self._unasked = False
        self._last: tuple[bytes, bytes] | None = None  # name and bytes of a blob of many chunks

    @property
    def complete(self) -> bool:
        """Whether the aggregator has acknowledged every blob."""
        return not self._waiting and not self._held

    @property
    def are_small(self) -> bool:
        """Whether one chunk each, all at once, is all there is to send."""
        sizes = self._sizes.values()
        return len(sizes) <= WINDOW and all(size <= CHUNK_BYTES for size in sizes)

    @property
    def sent(self) -> tuple[int, int]:
        """Bytes that the aggregator is known to hold, and all bytes of the blobs."""
        # Copies, since the one who asks may be in another thread.
        held, waiting, sizes = dict(self._held), list(self._waiting), dict(self._sizes)
        left = sum(sizes.get(name, 0) for name in [*waiting, *held]) - sum(held.values())
        total = sum(sizes.values())
        return max(0, total - left), total

    def start(self, sizes: Mapping[bytes, int]) -> list[BlobChunk | BlobOffer]:
        """Send blobs unasked, by name and size: what is new, the aggregator cannot have."""
        return self._begin(sizes, unasked=True)

    def resume(self, sizes: Mapping[bytes, int]) -> list[BlobChunk | BlobOffer]:
        """Offer blobs that may be there in part; the aggregator's answers say where to go on."""
        return self._begin(sizes, unasked=False)

    def offers(self) -> list[BlobOffer]:
        """An offer of each blob on its way; repeating it does no harm.

        What was acknowledged is durable there, so that links that break often do not hold it up.
        """
        return [BlobOffer(name, self._sizes[name]) for name in self._held]

    def stop(self) -> None:
        """The blobs are not needed any more."""
        self._begin({}, unasked=False)

    def acknowledged(self, have: BlobHave) -> list[BlobChunk | BlobOffer]:
        """The next chunk after what the aggregator holds, or what follows a blob's last one."""
        name = have.digest
        if name not in self._held:
            return []
        if have.offset >= self._sizes[name]:
            del self._held[name]
            return self._fill()
        self._held[name] = have.offset
        return [self._chunk(name, have.offset)]

    def _begin(self, sizes: Mapping[bytes, int], unasked: bool) -> list[BlobChunk | BlobOffer]:
        self._sizes, self._unasked, self._last = dict(sizes), unasked, None
        self._waiting, self._held = deque(self._sizes), {}
        return self._fill()

    def _fill(self) -> list[BlobChunk | BlobOffer]:
        """Begin with as many blobs as may be on their way."""
        frames: list[BlobChunk | BlobOffer] = []
        while self._waiting and len(self._held) < WINDOW:
            name = self._waiting.popleft()
            self._held[name] = 0
            offer = BlobOffer(name, self._sizes[name])
            frames.append(self._chunk(name, 0) if self._unasked else offer)
        return frames

    def _chunk(self, name: bytes, offset: int) -> BlobChunk:
        size = self._sizes[name]
        data = self._bytes(name)[offset : offset + CHUNK_BYTES]
        return BlobChunk(name, size, offset, data)

    def _bytes(self, name: bytes) -> bytes:
        if self._last and self._last[0] == name:
            return self._last[1]
        blob = self._read(name)
        assert blob is not None, "a blob on its way belongs to the pending post"
        self._last = (name, blob) if len(blob) > CHUNK_BYTES else None
        return blob


class Downloads:
    """The blobs that this member needs; what arrives is checked by its name."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, tuple[int, bytearray]] = {}
        self._done: dict[bytes, bytes] = {}

    @property
    def received_bytes(self) -> tuple[int, int]:
        """Bytes that are here and not yet used, and all bytes that were asked for."""
        wanted, done = list(self._wanted.values()), sum(map(len, list(self._done.values())))
        return done + sum(len(have) for _, have in wanted), done + sum(size for size, _ in wanted)

    def want(self, name: bytes, size: int) -> BlobRequest | None:
        """Ask for a blob unless it is here or on its way."""
        if name in self._done or name in self._wanted:
            return None
        self._wanted[name] = (size, bytearray())
        return BlobRequest(name, 0)

    def requests(self) -> list[BlobRequest]:
        """A request for the rest of each blob on its way; repeating it does no harm."""
        return [BlobRequest(name, len(have)) for name, (_, have) in self._wanted.items()]

    def received(self, chunk: BlobChunk) -> BlobRequest | None:
        """Keep a chunk, and ask for the next. Raises DamagedBlob if the whole has another name."""
        if chunk.digest not in self._wanted:
            return None
        size, have = self._wanted[chunk.digest]
        if chunk.size != size:
            raise DamagedBlob(chunk.digest)
        if chunk.offset != len(have) or not chunk.data:
            return None
        if len(have) + len(chunk.data) > size:
            raise DamagedBlob(chunk.digest)
        have += chunk.data
        if len(have) < size:
            return BlobRequest(chunk.digest, len(have))
        del self._wanted[chunk.digest]
        blob = bytes(have)
        if blob_name(blob) != chunk.digest:
            raise DamagedBlob(chunk.digest)
        self._done[chunk.digest] = blob
        return None

    def take(self, name: bytes) -> bytes | None:
        """A blob that has arrived."""
        return self._done.get(name)

    def drop(self, name: bytes) -> None:
        """Forget a blob that has been used, or is not wanted any more."""
        self._wanted.pop(name, None)
        self._done.pop(name, None)
