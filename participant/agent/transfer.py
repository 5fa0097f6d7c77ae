"""Blobs on their way up and down, in chunks that can be lost, repeated or cut short."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from participant.agent.pace import LEAST_BYTES, Pace
from participant.errors import DamagedBlob
from protocol.messages import blob_name
from protocol.wire import CHUNK_BYTES, REQUESTED_BYTES, BlobChunk, BlobHave, BlobOffer, BlobRequest

WINDOW = 16  # blobs on their way up at a time


@dataclass(frozen=True)
class TransferBytes:
    """How far blobs have got: the pending post's to the aggregator, the wanted ones to here."""

    bytes_sent_of_blobs: int  # that the aggregator holds
    bytes_to_send: int
    bytes_received: int
    bytes_wanted: int


@dataclass
class _OnItsWay:
    """How far a blob is: bytes that the aggregator holds, and bytes that were sent."""

    held: int = 0
    sent: int = 0
    is_asked: bool = False  # it is offered: the answer says where to go on


class Uploads:
    """The blobs that the pending post needs at the aggregator; their bytes stay where they are.

    Chunks leave in order, as many as the pace has room for; the answer to each says what arrived.
    Where one did not arrive, the blob is offered: what is answered to that counts.
    """

    def __init__(
        self, read: Callable[[bytes], bytes | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``read``: the bytes of a blob by its name; ``clock``: seconds."""
        self._read, self._pace = read, Pace(clock)
        self._sizes: dict[bytes, int] = {}
        self._waiting: deque[bytes] = deque()
        self._on_way: dict[bytes, _OnItsWay] = {}
        self._unasked = self._paused = False
        # Bytes that the aggregator is known to hold, and all bytes of the blobs: one pair, since
        # the one who asks may be in another thread.
        self.sent = 0, 0
        self._last: tuple[bytes, bytes] | None = None  # name and bytes of a blob of many chunks

    @property
    def complete(self) -> bool:
        """Whether the aggregator has acknowledged every blob."""
        return not self._waiting and not self._on_way

    @property
    def all_sent(self) -> bool:
        """Whether every byte has left, if not arrived."""
        on_way = self._on_way.items()
        return not self._waiting and all(way.sent == self._sizes[name] for name, way in on_way)

    def start(self, sizes: Mapping[bytes, int]) -> list[BlobChunk | BlobOffer]:
        """Send blobs unasked, by name and size: what is new, the aggregator cannot have."""
        return self._begin(sizes, unasked=True)

    def resume(self, sizes: Mapping[bytes, int]) -> list[BlobChunk | BlobOffer]:
        """Offer blobs that may be there in part; the aggregator's answers say where to go on."""
        if sizes:
            self._pace.broke()
        return self._begin(sizes, unasked=False)

    def broke(self) -> None:
        """The connection is lost, with what was on its way."""
        if self._on_way:
            self._pace.broke()

    def pause(self) -> None:
        """The aggregator takes nothing at the moment: wait until the next offers."""
        self._paused = True

    def offers(self) -> list[BlobChunk | BlobOffer]:
        """An offer of each blob on its way, and what may follow; repeating it does no harm.

        What was acknowledged is there, so that links that break often do not hold it up.
        """
        self._paused = False
        return [*(self._offer(name) for name in self._on_way), *self._fill()]

    def stop(self) -> None:
        """The blobs are not needed any more."""
        self._begin({}, unasked=False)

    def acknowledged(self, have: BlobHave) -> list[BlobChunk | BlobOffer]:
        """What follows now that the aggregator holds so much of a blob."""
        name, way = have.digest, self._on_way.get(have.digest)
        if way is None:
            return []
        before, offset = way.held, min(have.offset, self._sizes[name])
        if have.to_offer and way.is_asked:  # of two answers to one offer, the first counts
            way.held = way.sent = offset
            way.is_asked = False
        elif offset > way.held:
            self._pace.brought(min(offset, way.sent) - way.held)
            way.held, way.sent = offset, max(way.sent, offset)
        elif not way.is_asked and not have.to_offer:  # a chunk was lost, or all that was there
            return [self._offer(name)]
        held, total = self.sent
        self.sent = held + way.held - before, total
        if way.held == self._sizes[name]:
            del self._on_way[name]
            if self.complete:
                self._pace.ended()
        return self._fill()

    def _begin(self, sizes: Mapping[bytes, int], unasked: bool) -> list[BlobChunk | BlobOffer]:
        self._sizes, self._unasked, self._last = dict(sizes), unasked, None
        self.sent = 0, sum(self._sizes.values())
        self._waiting, self._on_way, self._paused = deque(self._sizes), {}, False
        return self._fill()

    def _fill(self) -> list[BlobChunk | BlobOffer]:
        """Send as much as there is room for, and begin with as many blobs as may be on their way.

        Of the blobs that are on their way, the first comes first.
        """
        frames: list[BlobChunk | BlobOffer] = []
        room = self._pace.room
        unanswered = sum(way.sent - way.held for way in self._on_way.values())
        while not self._paused:
            if (name := self._next_unsent()) is not None:
                left = self._sizes[name] - self._on_way[name].sent
                size = min(CHUNK_BYTES, left, max(room - unanswered, 0))
                if size < min(left, LEAST_BYTES):
                    break
                unanswered += size
                frames.append(self._chunk(name, size))
            elif self._waiting and len(self._on_way) < WINDOW:
                self._on_way[name := self._waiting.popleft()] = _OnItsWay()
                if not self._unasked:
                    frames.append(self._offer(name))
            else:
                break
        return frames

    def _next_unsent(self) -> bytes | None:
        for name, way in self._on_way.items():
            if not way.is_asked and way.sent < self._sizes[name]:
                return name
        return None

    def _offer(self, name: bytes) -> BlobOffer:
        way = self._on_way[name]
        way.is_asked, way.sent = True, way.held
        return BlobOffer(name, self._sizes[name])

    def _chunk(self, name: bytes, size: int) -> BlobChunk:
        way = self._on_way[name]
        offset, way.sent = way.sent, way.sent + size
        data = self._bytes(name)[offset : offset + size]
        return BlobChunk(name, self._sizes[name], offset, data)

    def _bytes(self, name: bytes) -> bytes:
        if self._last and self._last[0] == name:
            return self._last[1]
        blob = self._read(name)
        assert blob is not None, "a blob on its way belongs to the pending post"
        self._last = (name, blob) if len(blob) > CHUNK_BYTES else None
        return blob


@dataclass
class _Wanted:
    """A blob that is to come: what is here, and how far the last request goes."""

    size: int
    until: int
    have: bytearray = field(default_factory=bytearray)


class Downloads:
    """The blobs that this member needs; what arrives is checked by its name."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, _Wanted] = {}
        self._done: dict[bytes, bytes] = {}

    @property
    def received_bytes(self) -> tuple[int, int]:
        """Bytes that are here and not yet used, and all bytes that were asked for."""
        wanted, done = list(self._wanted.values()), sum(map(len, list(self._done.values())))
        return done + sum(len(w.have) for w in wanted), done + sum(w.size for w in wanted)

    @property
    def is_empty(self) -> bool:
        """Whether no blob is here and none on its way."""
        return not self._done and not self._wanted

    def holds(self, name: bytes) -> bool:
        """Whether a blob is here or on its way."""
        return name in self._done or name in self._wanted

    def want(self, name: bytes, size: int) -> BlobRequest | None:
        """Ask for a blob unless it is here or on its way."""
        if self.holds(name):
            return None
        self._wanted[name] = _Wanted(size, 0)
        return self._request(name)

    def requests(self) -> list[BlobRequest]:
        """A request for the rest of each blob on its way; repeating it does no harm."""
        return [self._request(name) for name in self._wanted]

    def received(self, chunk: BlobChunk) -> BlobRequest | None:
        """Keep a chunk, and ask for more after the last that was asked for.

        Raises DamagedBlob if the whole has another name.
        """
        wanted = self._wanted.get(chunk.digest)
        if wanted is None:
            return None
        size, have = wanted.size, wanted.have
        if chunk.size != size:
            raise DamagedBlob(chunk.digest)
        if chunk.offset != len(have) or not chunk.data:
            return None
        if len(have) + len(chunk.data) > size:
            raise DamagedBlob(chunk.digest)
        have += chunk.data
        if len(have) < size:
            return self._request(chunk.digest) if len(have) >= wanted.until else None
        del self._wanted[chunk.digest]
        blob = bytes(have)
        if blob_name(blob) != chunk.digest:
            raise DamagedBlob(chunk.digest)
        self._done[chunk.digest] = blob
        return None

    def _request(self, name: bytes) -> BlobRequest:
        wanted = self._wanted[name]
        wanted.until = len(wanted.have) + REQUESTED_BYTES
        return BlobRequest(name, len(wanted.have))

    def take(self, name: bytes) -> bytes | None:
        """A blob that has arrived."""
        return self._done.get(name)

    def drop(self, name: bytes) -> None:
        """Forget a blob that has been used, or is not wanted any more."""
        self._wanted.pop(name, None)
        self._done.pop(name, None)
