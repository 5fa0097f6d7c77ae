"""Large blobs by way of the store: the agent is told what it expects, whatever the store does."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from participant.agent.transfer import Downloads, Uploads
from participant.errors import DamagedBlob, StoreRefuses
from participant.network.direct import DirectStore, DirectWay
from participant.network.link import Traffic
from protocol.messages.attachment import blob_name
from protocol.wire.frames import (
    CHUNK_BYTES,
    DIRECT_BYTES,
    REQUESTED_BYTES,
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

LARGE = os.urandom(5 * CHUNK_BYTES + 7)
OTHER = os.urandom(DIRECT_BYTES)
SMALL = os.urandom(DIRECT_BYTES - 1)


class Client:
    """A store; ``fault`` does something else with a request."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.asked: list[str] = []
        self.fault: Callable[[], Any] = lambda: None

    def get(self, digest: bytes, size: int, query: str) -> bytes:
        self.asked.append(f"get {query}")
        self.fault()
        return self.blobs[digest]

    def put(self, digest: bytes, data: bytes, query: str) -> None:
        self.asked.append(f"put {query}")
        self.fault()
        assert blob_name(data) == digest
        self.blobs[digest] = data


@dataclass
class Aggregator:
    """It has whole blobs, and incomplete uploads; ``tickets``: ways for which it gives some."""

    client: Client
    tickets: set[str] = field(default_factory=lambda: {"get", "put"})
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    parts: dict[bytes, bytes] = field(default_factory=dict)
    took_bytes: int = 0
    gave_bytes: int = 0
    is_deaf: bool = False  # to what asks for a ticket

    def answer(self, frame: FromMember) -> list[FromAggregator]:
        if isinstance(frame, TicketRequest):
            if self.is_deaf:
                return []
            size = len(self.blobs.get(frame.digest, b"")) if frame.way == "get" else frame.size
            if frame.way in self.tickets and size >= DIRECT_BYTES:
                return [Ticket(frame.way, frame.digest, size, frame.way[::-1])]
            if frame.way == "get":
                return self.answer(BlobRequest(frame.digest, 0))
            return self.answer(BlobOffer(frame.digest, frame.size))
        if isinstance(frame, BlobRequest):
            if (data := self.blobs.get(frame.digest)) is None:
                return [BlobAbsent(frame.digest)]
            last = min(len(data), frame.offset + REQUESTED_BYTES)
            self.gave_bytes += last - frame.offset
            places = range(frame.offset, last, CHUNK_BYTES)
            return [
                BlobChunk(frame.digest, len(data), k, data[k : min(k + CHUNK_BYTES, last)])
                for k in places
            ]
        if isinstance(frame, BlobOffer):
            if (found := self.client.blobs.get(frame.digest)) is not None:
                self.blobs[frame.digest] = found
            have = self.blobs.get(frame.digest) or self.parts.get(frame.digest, b"")
            return [BlobHave(frame.digest, len(have), frame.size, True)]
        assert isinstance(frame, BlobChunk)
        have = self.parts.get(frame.digest, b"")
        if frame.offset == len(have):
            have = self.parts[frame.digest] = have + frame.data
            self.took_bytes += len(frame.data)
        if len(have) == frame.size:
            self.blobs[frame.digest] = have
        return [BlobHave(frame.digest, len(have), frame.size, False)]


class Stage:
    """An agent's uploads and downloads, a way, and an aggregator at its other end."""

    def __init__(self) -> None:
        self.client, self.told = Client(), list[StoreRefuses | None]()
        self.now = 0.0
        self.store = DirectStore(self.client, lambda: self.now)
        self.store.told = self.told.append
        self.aggregator = Aggregator(self.client)
        self.own: dict[bytes, bytes] = {}
        self.uploads, self.downloads = Uploads(self.own.get), Downloads()
        self.woken = asyncio.Event()
        self.way = DirectWay(self.store, self.woken.set)

    def receive(self, frame: FromAggregator) -> list[FromMember]:
        if isinstance(frame, BlobHave):
            return list(self.uploads.acknowledged(frame))
        if isinstance(frame, BlobChunk):
            return [r] if (r := self.downloads.received(frame)) else []
        return []

    async def play(self, frames: list[FromMember], is_over: Callable[[], bool]) -> None:
        """Until it is over, or nothing moves any more."""
        while not is_over():
            arrived = self.way.arrived()
            for frame in self.way.leaving(frames):
                for answer in self.aggregator.answer(frame):
                    arrived += self.way.taken(answer)
            frames = [one for frame in arrived for one in self.receive(frame)]
            if not (arrived or frames):
                self.woken.clear()
                async with asyncio.timeout(10):
                    await self.woken.wait()

    async def up(self, *blobs: bytes) -> None:
        self.own |= {blob_name(blob): blob for blob in blobs}
        sizes = {blob_name(blob): len(blob) for blob in blobs}
        await self.play([*self.uploads.start(sizes)], lambda: self.uploads.complete)
        assert all(self.aggregator.blobs[blob_name(blob)] == blob for blob in blobs)

    async def down(self, blob: bytes) -> None:
        name = blob_name(blob)
        request = self.downloads.want(name, len(blob))
        frames: list[FromMember] = [request] if request else []
        await self.play(frames, lambda: self.downloads.take(name) is not None)
        assert self.downloads.take(name) == blob

    def has(self, *blobs: bytes) -> None:
        """The aggregator and its store have these."""
        for blob in blobs:
            self.aggregator.blobs[blob_name(blob)] = self.client.blobs[blob_name(blob)] = blob


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    made.way.close()


def refuses(reason: str = "it answers 403") -> Callable[[], None]:
    def fault() -> None:
        raise StoreRefuses("https://store", reason)

    return fault


async def test_large_blobs_go_by_the_store_and_small_ones_over_the_link(stage: Stage) -> None:
    await stage.up(LARGE, SMALL, OTHER)
    assert stage.client.asked == ["put tup", "put tup"]
    assert stage.aggregator.took_bytes == len(SMALL)
    stage.has(LARGE, SMALL)
    for blob in (LARGE, SMALL):
        await stage.down(blob)
    assert stage.client.asked[2:] == ["get teg"]
    assert stage.aggregator.gave_bytes == len(SMALL)
    assert stage.store.traffic == Traffic(len(LARGE) + len(OTHER), len(LARGE))
    assert stage.told == []


async def test_many_blobs_at_once(stage: Stage) -> None:
    blobs = [os.urandom(DIRECT_BYTES + k) for k in range(40)]
    await stage.up(*blobs)
    assert stage.aggregator.took_bytes == 0


async def test_without_tickets_all_goes_over_the_link(stage: Stage) -> None:
    stage.aggregator.tickets = set()
    await stage.up(LARGE, SMALL)
    await stage.down(LARGE)
    assert stage.client.asked == stage.told == []


@pytest.mark.parametrize("way", ["get", "put"])
async def test_where_the_store_fails_it_goes_over_the_link_and_is_told_once(
    stage: Stage, way: str
) -> None:
    stage.client.fault = refuses()
    if way == "put":
        await stage.up(LARGE, OTHER)
        assert stage.aggregator.took_bytes == len(LARGE) + len(OTHER)
    else:
        stage.has(LARGE, OTHER)
        await stage.down(LARGE)
        await stage.down(OTHER)
    assert [error and error.reason for error in stage.told] == ["it answers 403"]
    assert len(stage.client.asked) == 2


async def test_it_is_left_alone_for_a_while_and_then_told_that_it_serves_again(
    stage: Stage,
) -> None:
    stage.client.fault = refuses()
    blobs = [os.urandom(DIRECT_BYTES + k) for k in range(6)]
    stage.has(*blobs)
    for blob in blobs[:4]:
        await stage.down(blob)
    assert len(stage.client.asked) == 3
    stage.now, stage.client.fault = 61.0, lambda: None
    for blob in blobs[4:]:
        await stage.down(blob)
    assert len(stage.client.asked) == 5
    assert [error and error.reason for error in stage.told] == ["it answers 403", None]


async def test_what_the_aggregator_does_not_find_at_the_store_is_uploaded_again(
    stage: Stage,
) -> None:
    stage.client.put = lambda digest, data, query: None
    await stage.up(LARGE)
    assert stage.aggregator.took_bytes == len(LARGE)
    (told,) = stage.told
    assert told is not None
    assert "does not find there" in told.reason


async def test_a_request_that_is_not_answered_is_made_over_the_link_the_next_time(
    stage: Stage,
) -> None:
    stage.has(LARGE)
    stage.aggregator.is_deaf = True
    name = blob_name(LARGE)
    assert stage.downloads.want(name, len(LARGE))
    assert stage.way.leaving([BlobRequest(name, 0)]) == [TicketRequest("get", name, 0)]
    assert stage.way.leaving([BlobRequest(name, 0)]) == [BlobRequest(name, 0)]
    other = blob_name(OTHER)
    stage.own[other] = OTHER
    first, *_ = stage.uploads.start({other: len(OTHER)})
    assert stage.way.leaving([first]) == [TicketRequest("put", other, len(OTHER))]
    (offer,) = stage.uploads.offers()
    assert stage.way.leaving([offer]) == [offer]
    await stage.play([offer], lambda: stage.uploads.complete)
    assert stage.client.asked == []


async def test_an_agent_that_asks_how_far_an_upload_is_does_not_hinder_it(stage: Stage) -> None:
    name = blob_name(LARGE)
    stage.own[name] = LARGE
    (ticket,) = stage.way.leaving([*stage.uploads.start({name: len(LARGE)})])
    stage.way.taken(*stage.aggregator.answer(ticket))
    await stage.play([*stage.uploads.offers()], lambda: stage.uploads.complete)
    assert stage.client.asked == ["put tup"]


async def test_tickets_that_nobody_asked_for_are_not_used(stage: Stage) -> None:
    name = blob_name(LARGE)
    for way in ("get", "put"):
        assert stage.way.taken(Ticket(way, name, len(LARGE), "q")) == []
    stage.has(LARGE)
    stage.way.leaving([BlobRequest(name, 0)])
    for query in ("first", "second"):
        stage.way.taken(Ticket("get", name, len(LARGE), query))
    await stage.play([], lambda: bool(stage.client.asked))
    assert stage.client.asked == ["get first"]


async def test_a_size_that_the_aggregator_invents_ends_as_in_a_chunk(stage: Stage) -> None:
    stage.has(LARGE)
    name = blob_name(LARGE)
    stage.downloads.want(name, len(LARGE) - 1)
    with pytest.raises(DamagedBlob):
        await stage.play([BlobRequest(name, 0)], lambda: False)


async def test_after_its_link_is_gone_a_way_gives_nothing_any_more(stage: Stage) -> None:
    stage.has(LARGE)
    name = blob_name(LARGE)
    stage.way.leaving([BlobRequest(name, 0)])
    stage.way.taken(Ticket("get", name, len(LARGE), "q"))
    stage.way.close()
    while not stage.client.asked:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert stage.way.arrived() == stage.way.leaving([]) == []


async def test_who_names_no_store_has_all_over_the_link() -> None:
    way, name = DirectWay(None, lambda: None), blob_name(LARGE)
    frames: list[FromMember] = [BlobRequest(name, 0), BlobOffer(name, len(LARGE))]
    assert way.leaving(frames) == frames
    assert way.taken(Ticket("get", name, len(LARGE), "q")) == []


async def test_what_comes_over_the_link_meanwhile_is_not_given_twice(stage: Stage) -> None:
    stage.has(LARGE)
    name = blob_name(LARGE)
    stage.way.leaving([BlobRequest(name, 0)])
    stage.way.taken(Ticket("get", name, len(LARGE), "q"))
    absent = BlobAbsent(name)
    assert stage.way.taken(absent) == [absent]
    while not stage.client.asked:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert stage.way.arrived() == []


async def test_an_error_of_a_library_is_a_failure_of_the_store(stage: Stage) -> None:
    def fault() -> None:
        raise ValueError("with a query in it")

    stage.client.fault = fault
    stage.has(LARGE)
    await stage.down(LARGE)
    (told,) = stage.told
    assert told is not None
    assert told.reason == "it was not understood (ValueError)"
