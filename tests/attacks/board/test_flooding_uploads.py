"""One hospital uploads all it can: its blobs are bounded, and cleaned up."""

import os
from pathlib import Path

from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS, UPLOADS_AN_HOUR
from protocol.messages.attachment import blob_name
from protocol.wire.frames import CHUNK_BYTES, BlobChunk, Rejected
from tests.stage.desk import Desk
from tests.stage.studies import SESSION

FLOODER, HONEST = 3, 1


def on_disk(folder: Path) -> int:
    """Bytes of blobs on the aggregator's disk, whole and incomplete."""
    files = (p for d in ("blobs", "incoming") for p in (folder / d).rglob("*") if p.is_file())
    return sum(p.stat().st_size for p in files)


def test_uploads_without_a_post_are_bounded_and_cleaned_up(desk: Desk, tmp_path: Path) -> None:
    desk.open_training(length=700)
    kept = desk.contribute(HONEST, SESSION)
    named, limit = on_disk(tmp_path), desk.service.board.upload_bytes
    assert named == len(kept)
    refused = 0
    for _ in range(2 * UPLOADS_AN_HOUR + 1):
        blob = os.urandom(limit // 2)
        for offset in range(0, len(blob), CHUNK_BYTES):
            chunk = blob[offset : offset + CHUNK_BYTES]
            answer = desk.ask(FLOODER, BlobChunk(blob_name(blob), len(blob), offset, chunk))
            refused += isinstance(answer, Rejected)
        assert on_disk(tmp_path) <= named + 2 * limit
    assert refused
    desk.service.tick()
    assert on_disk(tmp_path) > named
    desk.wait(CLEAN_UP_SECONDS)
    assert on_disk(tmp_path) == named
    assert desk.service._blobs.read(blob_name(kept)) == kept


def test_what_lies_there_at_a_restart_is_cleaned_up_too(desk: Desk, tmp_path: Path) -> None:
    desk.open_training(length=700)
    kept = desk.contribute(HONEST, SESSION)
    desk.upload(FLOODER, os.urandom(50_000))
    desk.ask(FLOODER, BlobChunk(blob_name(b"?"), 50_000, 0, os.urandom(40_000)))
    desk.restart()
    desk.wait(1)
    assert on_disk(tmp_path) == len(kept) + 90_000
    desk.wait(CLEAN_UP_SECONDS + 60)
    assert on_disk(tmp_path) == len(kept)
    desk.restart()


def test_a_slow_upload_is_not_cleaned_up_while_it_goes_on(desk: Desk) -> None:
    first, second = os.urandom(5_000), os.urandom(5_000)
    desk.upload(HONEST, first)
    for _ in range(5):
        desk.wait(CLEAN_UP_SECONDS / 2)
        desk.upload(HONEST, second)
    assert desk.service._blobs.size(blob_name(first)) == len(first)


def test_nobody_can_have_anothers_upload_deleted(desk: Desk) -> None:
    blob = os.urandom(5_000)
    desk.upload(HONEST, blob)
    desk.upload(FLOODER, blob)
    limit = desk.service.board.upload_bytes
    for _ in range(4):
        desk.upload(FLOODER, os.urandom(limit))
    assert desk.service._blobs.size(blob_name(blob)) == len(blob)


def test_a_blob_that_no_post_can_need_is_refused_at_its_first_byte(desk: Desk) -> None:
    size = 2 * desk.service.board.upload_bytes + 1
    answer = desk.ask(FLOODER, BlobChunk(b"n" * 32, size, 0, b"x"))
    assert isinstance(answer, Rejected)
    assert answer.code == "too-large"


def test_a_given_up_post_makes_room_for_the_next_one(desk: Desk) -> None:
    """A member that died half-way makes other blobs: it is never refused for the old ones."""
    limit = desk.service.board.upload_bytes
    for _ in range(4):
        blob = os.urandom(limit)
        assert desk.upload(HONEST, blob) == limit
