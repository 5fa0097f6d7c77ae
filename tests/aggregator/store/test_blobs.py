"""Uploads in pieces: resumed, bounded, checked; nothing false is ever whole."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import BadUpload, StoreDamaged, StoreFull
from aggregator.store.blobs import MAX_INCOMPLETE, BlobStore
from aggregator.store.board import BoardStore
from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS
from protocol.messages.attachment import blob_name
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.simulator.disk import Crash
from tests.stage.files import flipped
from tests.stage.objects.backend import BlobBackend

BLOB = bytes(range(256)) * 40
NAME = blob_name(BLOB)
SIZE = len(BLOB)


@pytest.fixture
def open_store(tmp_path: Path, blob_place: BlobBackend) -> Iterator[Callable[..., BlobStore]]:
    opened = []

    def open_it(**limits: Callable[[], int]) -> BlobStore:
        opened.append(BoardStore(tmp_path))
        return BlobStore(tmp_path, opened[-1], whole=blob_place.open(), **limits)

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def blobs(open_store: Callable[..., BlobStore]) -> BlobStore:
    return open_store()


def test_a_blob_is_whole_with_its_last_byte_and_not_before(blobs: BlobStore) -> None:
    assert blobs.have(1, NAME, SIZE) == 0
    assert blobs.add(1, NAME, SIZE, 0, BLOB[:-1]) == SIZE - 1
    assert blobs.size(NAME) is None
    assert blobs.add(1, NAME, SIZE, SIZE - 1, BLOB[-1:]) == SIZE
    assert blobs.size(NAME) == SIZE
    assert blobs.read(NAME) == BLOB
    assert blobs.incomplete_bytes(1) == 0


def test_an_upload_goes_on_after_a_restart(
    blobs: BlobStore, open_store: Callable[..., BlobStore]
) -> None:
    blobs.add(1, NAME, SIZE, 0, BLOB[:5_000])
    later = open_store()
    assert later.have(1, NAME, SIZE) == 5_000
    assert later.add(1, NAME, SIZE, 5_000, BLOB[5_000:]) == SIZE
    assert open_store().read(NAME) == BLOB


@given(st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, 4_000)), max_size=12))
def test_chunks_in_any_order_and_number_never_spoil_a_blob(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    store = BoardStore(folder)
    blobs = BlobStore(folder, store)
    for offset, length in pieces:
        held = blobs.have(1, NAME, SIZE)
        now = blobs.add(1, NAME, SIZE, offset, BLOB[offset : offset + length])
        taken = min(length, SIZE - offset) if offset == held else 0
        assert now == held + taken
    held = blobs.have(1, NAME, SIZE)
    assert blobs.add(1, NAME, SIZE, held, BLOB[held:]) == SIZE
    assert blobs.read(NAME) == BLOB
    store.close()


def test_a_chunk_beyond_the_end_is_refused(blobs: BlobStore) -> None:
    with pytest.raises(BadUpload) as caught:
        blobs.add(1, NAME, SIZE, SIZE - 1, b"xy")
    assert caught.value.code == "malformed"
    assert blobs.have(1, NAME, SIZE) == 0


@pytest.mark.parametrize("size", [0, MAX_BLOB_BYTES + 1])
def test_a_size_that_no_blob_may_have_is_refused(blobs: BlobStore, size: int) -> None:
    with pytest.raises(BadUpload) as caught:
        blobs.have(1, NAME, size)
    assert caught.value.code == "too-large"


def test_a_whole_blob_has_one_size(blobs: BlobStore) -> None:
    blobs.put(BLOB)
    assert blobs.have(1, NAME, SIZE) == SIZE
    with pytest.raises(BadUpload):
        blobs.have(1, NAME, SIZE - 1)


def test_bytes_with_another_name_are_deleted(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BadUpload) as caught:
        blobs.add(1, NAME, SIZE, 0, flipped(BLOB, 77))
    assert caught.value.blob == NAME
    assert list((tmp_path / "incoming").iterdir()) == []
    assert blobs.size(NAME) is None
    assert blobs.add(1, NAME, SIZE, 0, BLOB) == SIZE


def test_a_torn_end_that_a_crash_left_is_sent_again(
    blobs: BlobStore, open_store: Callable[..., BlobStore], tmp_path: Path
) -> None:
    blobs.add(1, NAME, SIZE, 0, BLOB[:5_000])
    (partial,) = (tmp_path / "incoming").iterdir()
    partial.write_bytes(BLOB[:4_000] + bytes(1_000))
    later = open_store()
    assert later.have(1, NAME, SIZE) == 5_000
    assert later.add(1, NAME, SIZE, 5_000, BLOB[5_000:]) == 0  # not an error: it begins again
    assert later.add(1, NAME, SIZE, 0, BLOB) == SIZE


def test_an_upload_longer_than_it_says_now_begins_again(blobs: BlobStore) -> None:
    blobs.add(1, NAME, SIZE + 5, 0, BLOB + b"1234")
    with pytest.raises(BadUpload):
        blobs.have(1, NAME, SIZE)
    assert blobs.have(1, NAME, SIZE) == 0


def test_members_do_not_disturb_each_others_uploads(blobs: BlobStore) -> None:
    blobs.add(2, NAME, SIZE, 0, b"rubbish")
    assert blobs.have(1, NAME, SIZE) == 0
    assert blobs.add(1, NAME, SIZE, 0, BLOB) == SIZE
    assert blobs.have(2, NAME, SIZE) == SIZE


def test_a_member_has_only_so_many_incomplete_bytes(open_store: Callable[..., BlobStore]) -> None:
    blobs = open_store(post_bytes=lambda: 10_000)
    first, second, third = (blob_name(bytes([k])) for k in range(3))
    blobs.add(1, first, 16_000, 0, bytes(8_000))
    blobs.add(2, first, 16_000, 0, bytes(9_000))
    blobs.add(1, second, 16_000, 0, bytes(8_000))
    assert blobs.add(1, third, 16_000, 0, bytes(8_000)) == 8_000
    assert [blobs.have(1, name, 16_000) for name in (first, second, third)] == [0, 8_000, 8_000]
    assert blobs.incomplete_bytes(1) == 16_000
    assert blobs.incomplete_bytes(2) == 9_000
    again = open_store(post_bytes=lambda: 10_000)  # what lies there counts after a restart too
    again.add(1, first, 16_000, 0, bytes(8_000))
    assert again.incomplete_bytes(1) == 16_000


def test_a_member_has_only_so_many_incomplete_uploads(blobs: BlobStore, tmp_path: Path) -> None:
    for k in range(MAX_INCOMPLETE + 5):
        blobs.add(1, blob_name(k.to_bytes(2)), 16_000, 0, b"x")
    assert len(list((tmp_path / "incoming").iterdir())) == MAX_INCOMPLETE


def test_a_flipped_bit_in_a_stored_blob_is_named(
    blobs: BlobStore, open_store: Callable[..., BlobStore], blob_place: BlobBackend
) -> None:
    blobs.put(BLOB)
    for place in (0, SIZE // 2, SIZE - 1):
        blob_place.change(NAME, flipped(BLOB, place))
        with pytest.raises(StoreDamaged) as caught:
            open_store().read(NAME)
        assert NAME.hex() in caught.value.what


@pytest.mark.parametrize("length", [0, SIZE - 1, MAX_BLOB_BYTES + 1])
def test_a_blob_of_another_length_is_named(
    blobs: BlobStore, open_store: Callable[..., BlobStore], blob_place: BlobBackend, length: int
) -> None:
    blobs.put(BLOB)
    blob_place.change(NAME, (BLOB + bytes(MAX_BLOB_BYTES))[:length])
    for read in (open_store().read, lambda name: open_store().part(name, 0, 10)):
        with pytest.raises(StoreDamaged) as caught:
            read(NAME)
        assert NAME.hex() in caught.value.what
    blob_place.change(NAME, None)
    with pytest.raises(StoreDamaged):
        open_store().read(NAME)


def test_parts_are_those_of_the_whole(
    blobs: BlobStore, open_store: Callable[..., BlobStore]
) -> None:
    blobs.put(BLOB)
    for each in (blobs, open_store()):
        assert each.part(NAME, 0, 100) == BLOB[:100]
        assert each.part(NAME, SIZE - 10, 100) == BLOB[-10:]
        assert each.part(NAME, SIZE, 100) == b""


def test_a_blob_that_crashed_before_its_row_is_not_sent_again(
    blobs: BlobStore,
    open_store: Callable[..., BlobStore],
    blob_place: BlobBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*given: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(BoardStore, "add_blob", crash)
        with pytest.raises(Crash):
            blobs.add(1, NAME, SIZE, 0, BLOB)
    assert list(blob_place.there()) == [(NAME, SIZE)]
    later = open_store()
    assert later.size(NAME) is None
    assert later.have(1, NAME, SIZE) == SIZE
    assert open_store().size(NAME) == SIZE
    assert later.read(NAME) == BLOB
    assert later.incomplete_bytes(1) == 0


def test_a_blob_that_a_crash_left_and_nobody_wants_is_deleted(
    open_store: Callable[..., BlobStore], blob_place: BlobBackend
) -> None:
    now_ms = [0]
    for k in range(3):
        blob_place.change(blob_name(bytes([k])), bytes([k]))
    blobs = open_store(pace_ms=lambda: now_ms[0])
    blobs.put(BLOB)
    blobs.look_for_unnamed()
    blobs.clean_up()
    assert len(blob_place.there()) == 4, "somebody may still send what names them"
    blobs.have(1, NAME, SIZE)
    now_ms[0] += 1_000 * CLEAN_UP_SECONDS
    blobs.have(1, NAME, SIZE)
    blobs.clean_up()
    assert list(blob_place.there()) == [(NAME, SIZE)]


def test_a_damaged_blob_without_a_row_is_sent_again(
    blobs: BlobStore, blob_place: BlobBackend
) -> None:
    blob_place.change(NAME, bytes(SIZE))
    assert blobs.have(1, NAME, SIZE) == 0
    assert blobs.add(1, NAME, SIZE, 0, BLOB) == SIZE
    assert blobs.read(NAME) == BLOB


def test_what_a_full_disk_refuses_is_not_counted(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.add(1, NAME, SIZE, 0, BLOB[:1_000])

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreFull) as caught:
            blobs.add(1, NAME, SIZE, 1_000, BLOB[1_000:])
    assert NAME.hex() in str(caught.value.path)
    assert caught.value.reason == os.strerror(errno.ENOSPC)
    assert blobs.have(1, NAME, SIZE) == 0, "what a failed sync has lost, no later one finds"
    assert blobs.add(1, NAME, SIZE, 0, BLOB) == SIZE
    assert blobs.read(NAME) == BLOB
