"""Blobs by way of the aggregator's object store: between an agent, which knows nothing of it, and
its link.

Of a large blob the agent asks for, or offers, a ticket is asked for first. With one the blob is got
or put in another thread. The agent is told of it in the frames that it expects of the aggregator.
Without a ticket, or where the store fails, it goes over the link as it would have.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any, Protocol, TypeVar

from participant.agent import Steps
from participant.errors import StoreRefuses
from participant.network.link import Traffic
from protocol.wire import (
    DIRECT_BYTES,
    BlobAbsent,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    FromAggregator,
    FromMember,
    Ticket,
    TicketRequest,
)

T = TypeVar("T")

_THREADS = 4
_HELD_BYTES = 64 << 20  # of blobs that are put, at a time
_FAILURES = 3  # one after the other, before the store is left alone
_PAUSE_SECONDS = 60.0


class Client(Protocol):
    """What asks the store, in any thread; both raise StoreRefuses."""

    def get(self, digest: bytes, size: int, query: str) -> bytes:
        """A blob that has its name."""

    def put(self, digest: bytes, data: bytes, query: str) -> None:
        """Upload one."""


class DirectStore:
    """The store that people have named, over all links of a process."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self.client, self._clock = client, clock
        # Of the first failure, and by None of the first success after it.
        self.told: Callable[[StoreRefuses | None], None] = lambda error: None
        self._threads = cycle([Steps() for _ in range(_THREADS)])
        self.traffic = Traffic()
        self._failures, self._again_at, self._is_told = 0, 0.0, False

    def begin(self, work: Callable[[Client], T]) -> "asyncio.Future[T]":
        """Ask the store in a thread that no process waits for at its end."""
        return next(self._threads).begin(lambda: work(self.client))

    @property
    def is_used(self) -> bool:
        """Whether it is asked at the moment."""
        return self._clock() >= self._again_at

    def failed(self, error: StoreRefuses) -> None:
        """It is left alone for a while when it fails again and again."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._failures, self._again_at = 0, self._clock() + _PAUSE_SECONDS
        if not self._is_told:
            self._is_told = True
            self.told(error)

    def moved(self, up: int = 0, down: int = 0) -> None:
        """It has taken or given so many bytes."""
        self.traffic.up += up
        self.traffic.down += down
        self._failures = 0
        if self._is_told:
            self._is_told = False
            self.told(None)


@dataclass
class _Put:
    """A blob on its way to the store: what the agent has given of it, and the ticket."""

    size: int
    data: bytearray = field(default_factory=bytearray)
    known: int = 0  # bytes that the agent was told of
    query: str = ""
    is_begun: bool = False

    @property
    def is_ready(self) -> bool:
        return bool(self.query) and len(self.data) == self.size and not self.is_begun


class DirectWay:
    """What one link's frames become; in the event loop."""

    def __init__(self, store: DirectStore | None, wake: Callable[[], None]) -> None:
        """store: None where people have named none. wake: have frames taken from here."""
        self._store, self._wake = store, wake
        self._gets: dict[bytes, bool] = {}  # whether there was a ticket
        self._puts: dict[bytes, _Put] = {}
        self._beside: set[bytes] = set()  # blobs that go over the link
        self._for_agent, self._for_link = deque[FromAggregator](), deque[FromMember]()
        self._is_over = False

    def close(self) -> None:
        """The link is gone: the agent asks again over the next one."""
        self._is_over = True

    def leaving(self, frames: Iterable[FromMember]) -> list[FromMember]:
        """What leaves over the link in place of the agent's frames, and because of the store's."""
        found = [one for frame in frames for one in self._instead(frame)]
        found += self._for_link
        self._for_link.clear()
        return found

    def arrived(self) -> list[FromAggregator]:
        """Frames for the agent that did not come over the link."""
        found = list(self._for_agent)
        self._for_agent.clear()
        return found

    def taken(self, frame: FromAggregator) -> list[FromAggregator]:
        """What of the aggregator's frame is for the agent."""
        if isinstance(frame, Ticket):
            self._use(frame)
            return []
        if isinstance(frame, BlobChunk | BlobAbsent):
            self._gets.pop(frame.digest, None)
        if isinstance(frame, BlobHave) and (put := self._puts.get(frame.digest)):
            return self._answered(frame, put)
        return [frame]

    def _instead(self, frame: FromMember) -> list[FromMember]:
        if self._store is None:
            return [frame]
        if isinstance(frame, BlobRequest):
            return self._request(frame)
        if isinstance(frame, BlobChunk):
            return self._chunk(frame, self._store)
        if isinstance(frame, BlobOffer) and (put := self._puts.get(frame.digest)):
            return self._offer(frame, put)
        return [frame]

    def _may_begin(self, digest: bytes, offset: int) -> bool:
        assert self._store is not None
        return not offset and digest not in self._beside and self._store.is_used

    # ── down ──

    def _request(self, frame: BlobRequest) -> list[FromMember]:
        digest = frame.digest
        if digest in self._gets:
            if self._gets[digest]:
                return []
            del self._gets[digest]  # it is asked for again, since no answer came
            self._beside.add(digest)
        if not self._may_begin(digest, frame.offset):
            return [frame]
        self._gets[digest] = False
        return [TicketRequest("get", digest, 0)]

    def _got(self, ticket: Ticket, done: "asyncio.Future[bytes]") -> None:
        store, error = self._store, _error_of(done)
        if self._is_over or store is None or not self._gets.pop(ticket.digest, False):
            return  # it may have come over the link
        if error is not None:
            store.failed(error)
            self._beside.add(ticket.digest)
            self._for_link.append(BlobRequest(ticket.digest, 0))
        else:
            store.moved(down=ticket.size)
            self._for_agent.append(BlobChunk(ticket.digest, ticket.size, 0, done.result()))
        self._wake()

    # ── up ──

    def _chunk(self, frame: BlobChunk, store: DirectStore) -> list[FromMember]:
        """Gather a blob, in order; its last bytes are acknowledged once it is at the store."""
        digest, size, asked = frame.digest, frame.size, list[FromMember]()
        if (put := self._puts.get(digest)) is None:
            held = sum(one.size for one in self._puts.values())
            is_large = DIRECT_BYTES <= size <= _HELD_BYTES - held
            if not (is_large and self._may_begin(digest, frame.offset)):
                return [frame]
            put = self._puts[digest] = _Put(size)
            asked = [TicketRequest("put", digest, size)]
        if frame.offset == len(put.data):
            put.data += frame.data
            if len(put.data) < size:
                put.known = len(put.data)
                self._for_agent.append(BlobHave(digest, put.known, size, False))
        self._begin(digest, put, store)
        return asked

    def _offer(self, frame: BlobOffer, put: _Put) -> list[FromMember]:
        """The agent asks how far it is, after a silence."""
        if not put.query:  # to that no answer came either
            self._forget(frame.digest)
            return [frame]
        self._for_agent.append(BlobHave(frame.digest, put.known, put.size, True))
        return []

    def _begin(self, digest: bytes, put: _Put, store: DirectStore) -> None:
        if put.is_ready:
            put.is_begun = True
            data = bytes(put.data)
            future = store.begin(lambda client: client.put(digest, data, put.query))
            future.add_done_callback(partial(self._is_put, digest, put))

    def _is_put(self, digest: bytes, put: _Put, done: "asyncio.Future[None]") -> None:
        error = _error_of(done)
        if self._is_over or self._puts.get(digest) is not put:
            return
        if error is not None:
            self._give_up(digest, put, error)
        else:
            self._for_link.append(BlobOffer(digest, put.size))
        self._wake()

    def _answered(self, frame: BlobHave, put: _Put) -> list[FromAggregator]:
        """Of a blob that is whole the agent is told so, and else it begins anew."""
        if frame.offset == put.size:
            del self._puts[frame.digest]
            if self._store and put.is_begun:
                self._store.moved(up=put.size)
            return [frame]
        error = None
        if put.is_begun and self._store:
            said = "the aggregator does not find there what was uploaded"
            error = StoreRefuses("the object store", said)
        self._give_up(frame.digest, put, error)
        return []

    def _give_up(self, digest: bytes, put: _Put, error: StoreRefuses | None) -> None:
        if error is not None and self._store is not None:
            self._store.failed(error)
        self._forget(digest)
        self._for_agent.append(BlobHave(digest, 0, put.size, False))  # as if a chunk were lost

    def _forget(self, digest: bytes) -> None:
        del self._puts[digest]
        self._beside.add(digest)

    # ── both ──

    def _use(self, ticket: Ticket) -> None:
        """Tickets that nobody has asked for, or two for one blob, are of no use."""
        digest, store = ticket.digest, self._store
        if store is None:
            return
        if ticket.way == "get" and self._gets.get(digest) is False:
            self._gets[digest] = True
            about = digest, ticket.size, ticket.query
            future = store.begin(lambda client: client.get(*about))
            future.add_done_callback(partial(self._got, ticket))
        put = self._puts.get(digest)
        if ticket.way == "put" and put is not None and not put.query:
            put.query = ticket.query
            self._begin(digest, put, store)


def _error_of(done: "asyncio.Future[Any]") -> StoreRefuses | None:
    """Why there is no result. Asked for in any case: what nobody asked for would be logged."""
    error = None if done.cancelled() else done.exception()
    if error is None or isinstance(error, StoreRefuses):
        return error
    return StoreRefuses("the object store", f"it was not understood ({type(error).__name__})")
