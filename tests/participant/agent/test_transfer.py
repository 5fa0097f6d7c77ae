"""Blobs in chunks: lost, repeated, out of order, or not what they were said to be."""

import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participant.agent.transfer import WINDOW, Downloads, Uploads
from participant.errors import DamagedBlob
from protocol.messages.attachment import blob_name
from protocol.wire.frames import (
    CHUNK_BYTES,
    REQUESTED_BYTES,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
)
from tests.stage.files import flipped

BLOB = os.urandom(REQUESTED_BYTES + CHUNK_BYTES + 17)
NAME = blob_name(BLOB)


def test_an_upload_goes_on_wherever_the_aggregator_is() -> None:
    uploads = Uploads({NAME: BLOB}.get)
    (offer,) = uploads.resume({NAME: len(BLOB)})
    assert (offer.digest, offer.size) == (blob_name(BLOB), len(BLOB))
    held = BLOB[: CHUNK_BYTES + 5]
    frames = deque(uploads.acknowledged(BlobHave(NAME, len(held), len(BLOB), True)))
    while frames:
        chunk = frames.popleft()
        assert isinstance(chunk, BlobChunk)
        assert chunk.offset == len(held)
        held += chunk.data
        frames += uploads.acknowledged(BlobHave(NAME, len(held), len(BLOB), False))
    assert held == BLOB
    assert uploads.complete


def test_an_acknowledgement_of_an_unknown_blob_means_nothing() -> None:
    uploads = Uploads({NAME: BLOB}.get)
    uploads.start({NAME: len(BLOB)})
    assert uploads.acknowledged(BlobHave(b"x" * 32, 0, 5, True)) == []
    assert not uploads.complete


def serve(request: BlobRequest) -> list[BlobChunk]:
    end = min(len(BLOB), request.offset + REQUESTED_BYTES)
    return [
        BlobChunk(NAME, len(BLOB), k, BLOB[k : min(end, k + CHUNK_BYTES)])
        for k in range(request.offset, end, CHUNK_BYTES)
    ]


@given(st.lists(st.integers(0, 3), max_size=12))
def test_repeated_and_late_chunks_do_no_harm(repeats: list[int]) -> None:
    downloads = Downloads()
    request = downloads.want(NAME, len(BLOB))
    seen: list[BlobChunk] = []
    while request:
        following = None
        for chunk in serve(request):
            seen.append(chunk)
            following = downloads.received(chunk) or following
            for which in repeats:
                if downloads.take(NAME) is None:
                    downloads.received(seen[which % len(seen)])
        request = following and downloads.requests()[0]
    assert downloads.take(NAME) == BLOB


def test_a_flipped_bit_is_noticed_by_name() -> None:
    downloads = Downloads()
    request = downloads.want(NAME, len(BLOB))
    assert request
    *others, last = [*serve(request), *serve(BlobRequest(NAME, REQUESTED_BYTES))]
    for chunk in others:
        downloads.received(chunk)
    with pytest.raises(DamagedBlob) as caught:
        downloads.received(BlobChunk(NAME, len(BLOB), last.offset, flipped(last.data, 0)))
    assert caught.value.name == blob_name(BLOB)


def test_more_bytes_than_announced_are_refused() -> None:
    downloads = Downloads()
    downloads.want(NAME, len(BLOB))
    with pytest.raises(DamagedBlob):
        downloads.received(BlobChunk(blob_name(BLOB), len(BLOB) + 1, 0, BLOB[:100]))


def test_what_was_not_asked_for_is_ignored() -> None:
    downloads = Downloads()
    assert downloads.received(BlobChunk(blob_name(BLOB), len(BLOB), 0, BLOB[:9])) is None
    assert downloads.take(blob_name(BLOB)) is None


MANY = {blob_name(blob): blob for blob in (os.urandom(10 + k) for k in range(100))}
SIZES = {name: len(blob) for name, blob in MANY.items()}


class Aggregator:
    """Keeps what it gets, and counts how many blobs are on their way to it at most."""

    def __init__(self, uploads: Uploads) -> None:
        self.uploads, self.whole = uploads, dict[bytes, bytes]()
        self.on_way: deque[BlobChunk | BlobOffer] = deque()
        self.most = 0

    def sent(self, frames: list[BlobChunk | BlobOffer]) -> None:
        self.on_way.extend(frames)
        self.most = max(self.most, len({frame.digest for frame in self.on_way}))

    def answer(self) -> None:
        frame = self.on_way.popleft()
        if isinstance(frame, BlobChunk):
            self.whole[frame.digest] = frame.data
        held = frame.size if frame.digest in self.whole else 0
        is_offer = isinstance(frame, BlobOffer)
        have = BlobHave(frame.digest, held, frame.size, is_offer)
        self.sent(self.uploads.acknowledged(have))


def test_of_a_hundred_blobs_only_a_window_is_on_its_way_or_in_memory() -> None:
    reads: list[bytes] = []

    def read(name: bytes) -> bytes:
        reads.append(name)
        return MANY[name]

    uploads = Uploads(read)
    aggregator = Aggregator(uploads)
    aggregator.sent(uploads.start(SIZES))
    assert len(aggregator.on_way) == len(reads) == WINDOW
    while not uploads.complete:
        aggregator.answer()
    assert aggregator.most == WINDOW
    assert aggregator.whole == MANY
    assert reads == list(MANY), "each is read once, when its turn has come"
    assert uploads.sent == (sum(SIZES.values()),) * 2


@given(st.lists(st.sampled_from(["lost", "nudge", "answer", "twice"]), max_size=80))
def test_lost_and_repeated_frames_do_not_keep_blobs_from_arriving(events: list[str]) -> None:
    uploads = Uploads(MANY.get)
    aggregator = Aggregator(uploads)
    aggregator.sent(uploads.start(SIZES))
    for event in events:
        if event == "nudge":
            aggregator.on_way.clear()
            aggregator.sent([*uploads.offers()])
        elif aggregator.on_way and event == "lost":
            aggregator.on_way.popleft()
        elif aggregator.on_way:
            if event == "twice":
                aggregator.on_way.appendleft(aggregator.on_way[0])
            aggregator.answer()
    aggregator.on_way.clear()
    while not uploads.complete:
        if not aggregator.on_way:
            aggregator.sent([*uploads.offers()])
        aggregator.answer()
    assert aggregator.whole == MANY
    assert uploads.sent == (sum(SIZES.values()),) * 2


def test_a_resumed_upload_offers_only_the_window_and_goes_on_behind_it() -> None:
    uploads = Uploads(MANY.get)
    offers = uploads.resume(SIZES)
    assert [offer.digest for offer in offers] == list(MANY)[:WINDOW]
    have = BlobHave(offers[0].digest, offers[0].size, offers[0].size, True)
    (following,) = uploads.acknowledged(have)
    assert following == BlobOffer(list(MANY)[WINDOW], SIZES[list(MANY)[WINDOW]])


def test_only_blobs_that_left_at_once_may_be_followed_without_an_answer() -> None:
    uploads = Uploads(MANY.get)
    uploads.start(dict(list(SIZES.items())[:WINDOW]))
    assert uploads.all_sent
    uploads.start(dict(list(SIZES.items())[: WINDOW + 1]))
    assert not uploads.all_sent
    uploads = Uploads({NAME: BLOB}.get)
    uploads.start({NAME: len(BLOB)})
    assert not uploads.all_sent
    uploads.resume({NAME: len(BLOB)})
    assert not uploads.all_sent
