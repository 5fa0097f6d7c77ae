"""Blobs in chunks: lost, repeated, out of order, or not what they were said to be."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participant.errors import DamagedBlob
from participant.transfer import Downloads, Uploads
from protocol.messages import attach, blob_name
from protocol.wire import CHUNK_BYTES, BlobChunk, BlobHave, BlobRequest

BLOB = os.urandom(CHUNK_BYTES * 2 + 17)


def test_an_upload_goes_on_wherever_the_aggregator_is() -> None:
    uploads = Uploads()
    (offer,) = uploads.resume([BLOB])
    assert (offer.digest, offer.size) == (blob_name(BLOB), len(BLOB))
    held = bytearray()
    while not uploads.complete:
        chunk = uploads.acknowledged(BlobHave(offer.digest, len(held), len(BLOB)))
        if chunk:
            assert chunk.offset == len(held)
            held += chunk.data
    assert bytes(held) == BLOB


def test_an_acknowledgement_of_an_unknown_blob_means_nothing() -> None:
    uploads = Uploads()
    uploads.start([BLOB])
    assert uploads.acknowledged(BlobHave(b"x" * 32, 0, 5)) is None
    assert not uploads.complete


def serve(request: BlobRequest) -> BlobChunk:
    data = BLOB[request.offset : request.offset + CHUNK_BYTES]
    return BlobChunk(request.digest, len(BLOB), request.offset, data)


@given(st.lists(st.integers(0, 3), max_size=12))
def test_repeated_and_late_chunks_do_no_harm(repeats: list[int]) -> None:
    downloads = Downloads()
    request = downloads.want(attach(BLOB))
    seen: list[BlobChunk] = []
    while request:
        chunk = serve(request)
        seen.append(chunk)
        request = downloads.received(chunk)
        for which in repeats:
            if downloads.take(blob_name(BLOB)) is None:
                downloads.received(seen[which % len(seen)])
        request = request and downloads.requests()[0]
    assert downloads.take(blob_name(BLOB)) == BLOB


def flip(chunk: BlobChunk) -> BlobChunk:
    flipped = bytes([chunk.data[0] ^ 1]) + chunk.data[1:]
    return BlobChunk(chunk.digest, chunk.size, chunk.offset, flipped)


def test_a_flipped_bit_is_noticed_by_name() -> None:
    downloads = Downloads()
    request = downloads.want(attach(BLOB))
    assert request
    last = serve(BlobRequest(request.digest, 2 * CHUNK_BYTES))
    for _ in range(2):
        assert request
        request = downloads.received(serve(request))
    with pytest.raises(DamagedBlob) as caught:
        downloads.received(flip(last))
    assert caught.value.name == blob_name(BLOB)


def test_more_bytes_than_announced_are_refused() -> None:
    downloads = Downloads()
    downloads.want(attach(BLOB))
    with pytest.raises(DamagedBlob):
        downloads.received(BlobChunk(blob_name(BLOB), len(BLOB) + 1, 0, BLOB[:100]))


def test_what_was_not_asked_for_is_ignored() -> None:
    downloads = Downloads()
    assert downloads.received(BlobChunk(blob_name(BLOB), len(BLOB), 0, BLOB[:9])) is None
    assert downloads.take(blob_name(BLOB)) is None
