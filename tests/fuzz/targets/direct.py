"""What a hospital does by itself at an object store: where people send it, and an aggregator."""

import asyncio
import ipaddress
from contextlib import suppress

import msgspec

from participant.errors import BadBlobSource, StoreRefuses
from participant.network.blob_source import read_source
from participant.network.direct import DirectStore, DirectWay
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.messages.attachment import blob_name
from protocol.wire.frames import (
    CHUNK_BYTES,
    DIRECT_BYTES,
    BlobAbsent,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    FromMember,
    Ticket,
    TicketRequest,
    decode_from_aggregator,
)
from tests.fuzz.target import Case, target
from tests.fuzz.targets.services import frames_of

GOT, PUT = bytes(DIRECT_BYTES + 5), bytes(DIRECT_BYTES) + b"put"


@target("blob-source", "participant.network.blob_source.read_source")
def blob_source() -> Case:
    """Whatever an aggregator says later, a request goes to that place and below that path."""

    def run(data: bytes) -> None:
        with suppress(BadBlobSource, UnicodeDecodeError):
            source = read_source(data.decode())
            target_ = source.target(blob_name(b""), "q")
            assert target_.isascii()
            assert target_.isprintable()
            assert not set(" #") & set(target_)
            assert target_.count("?") == 1
            assert "/../" not in target_
            is_own = source.host == "localhost" or (
                source.scheme == "http" and ipaddress.ip_address(source.host).is_loopback
            )
            assert source.scheme == "https" or is_own
            assert read_source(f"{source.name}{source.path}") == source

    urls = b"https://s3.example.org:9000/bucket/a%3Db", b"http://[::1]:80/x", b"https://h"
    return Case(run, list(urls), None)


class _Store:
    """It has what it is asked for, if it is one of two blobs."""

    def get(self, digest: bytes, size: int, query: str) -> bytes:
        if digest != blob_name(GOT) or size != len(GOT):
            raise StoreRefuses("https://store", "it answers 404")
        return GOT

    def put(self, digest: bytes, data: bytes, query: str) -> None:
        if blob_name(data) != digest:
            raise StoreRefuses("https://store", "it answers 400")


@target("direct-way", "participant.network.direct.DirectWay, an aggregator's frames", limit=8_192)
def direct_way() -> Case:
    got, put = blob_name(GOT), blob_name(PUT)
    first: list[FromMember] = [BlobRequest(got, 0)]
    places = range(0, len(PUT), CHUNK_BYTES)
    first += [BlobChunk(put, len(PUT), k, PUT[k : k + CHUNK_BYTES]) for k in places]

    async def play(data: bytes) -> None:
        store = DirectStore(_Store())
        way = DirectWay(store, lambda: None)
        try:
            for frame in way.leaving(first):
                assert isinstance(frame, TicketRequest)
            for tree in frames_of(data):
                with suppress(Malformed):
                    for answer in way.taken(decode_from_aggregator(encode(tree))):
                        assert not isinstance(answer, Ticket)
                await asyncio.sleep(0)
                said = way.leaving([BlobRequest(got, 0), BlobOffer(put, len(PUT))])
                assert len(said) <= 6
                for told in way.arrived():
                    assert isinstance(told, BlobChunk | BlobHave)
                    assert told.digest in (got, put)
                    assert not isinstance(told, BlobChunk) or told.data == GOT
        finally:
            way.close()

    def run(data: bytes) -> None:
        asyncio.run(play(data))

    frames = [
        Ticket("get", got, len(GOT), "q"), Ticket("put", put, len(PUT), "q"), BlobAbsent(got),
        BlobHave(put, 0, len(PUT), True), BlobHave(put, len(PUT), len(PUT), True),
        BlobChunk(got, len(GOT), 0, GOT[:100]),
    ]  # fmt: skip

    trees = [msgspec.msgpack.decode(encode(frame)) for frame in frames]
    return Case(run, [encode([tree]) for tree in trees] + [encode(trees)])
