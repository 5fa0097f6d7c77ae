"""What is on members' accounts: in bytes and in number, however small the blobs are."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.errors import BadUpload, StoreFull
from aggregator.store import unnamed_blobs
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from aggregator.store.unnamed_blobs import (
    BLOCK,
    CLEAN_UP_SECONDS,
    MOST_BLOBS,
    NOBODY,
    UPLOADS_AN_HOUR,
    UnnamedBlobs,
)
from protocol.messages.attachment import blob_name

LARGE, SIZE = 1 << 40, 1 << 20


def accounts() -> UnnamedBlobs:
    return UnnamedBlobs(lambda: 0)


def name(k: int) -> bytes:
    return k.to_bytes(32, "big")


def test_a_small_blob_counts_as_a_block() -> None:
    """Its file, its row and the work to delete it are those of a larger one."""
    found = accounts()
    found.claim(1, name(1), 4)
    found.claim(1, name(2), BLOCK + 1)
    assert found.bytes_of(1) == 2 * BLOCK + 1


def test_what_is_on_an_account_adds_up_whatever_happens_to_it() -> None:
    found = accounts()
    for k in range(4):
        found.claim(NOBODY, name(k), 9_000)
        found.claim(1, name(k), 9_000)
        found.claim(1, name(k), 9_000)
    found.claim(2, name(3), 9_000)
    found.name(name(0))
    found.let_go(1, name(1))
    assert (found.bytes_of(1), found.bytes_of(2), found.bytes_of(NOBODY)) == (18_000, 9_000, 0)
    held = found.beyond(1, 0)
    assert held == [(1, name(2)), (1, name(3))]
    assert found.on_no_other(held) == [name(2)]  # the other is on another account, too
    assert found.on_no_other([*held, (2, name(3))]) == [name(2), name(3)]


def test_however_few_bytes_there_are_so_many_blobs_and_no_more() -> None:
    found = accounts()
    for k in range(MOST_BLOBS + 3):
        found.claim(1, name(k), 1)
    assert found.beyond(1, LARGE) == [(1, name(k)) for k in range(3)]


def test_tiny_blobs_make_room_in_one_transaction(tmp_path: Path) -> None:
    """One frame of one member: what it has to delete must not hold up the others' frames."""
    store = BoardStore(tmp_path)
    blobs = BlobStore(tmp_path, store)
    written = list[str]()
    count = 40
    for k in range(count):
        data = name(k)
        assert blobs.add(1, blob_name(data), len(data), 0, data) == len(data)
    store._database._database.set_trace_callback(written.append)
    blobs._drop(blobs._unnamed.beyond(1, 0))
    assert sum(statement.startswith("COMMIT") for statement in written) == 1
    assert not any(blobs.size(blob_name(name(k))) for k in range(count))
    store.close()


# ── two members, and a disk that is full ──


@dataclass
class Place:
    """A store whose members' posts need a mebibyte each at most; its clock stands."""

    folder: Path
    now_ms: int = 0

    def __post_init__(self) -> None:
        self.store = BoardStore(self.folder)
        self.blobs = BlobStore(self.folder, self.store, lambda: SIZE, lambda: self.now_ms)

    def upload(self, member: int) -> bytes:
        data = os.urandom(SIZE)
        assert self.blobs.add(member, blob_name(data), SIZE, 0, data) == SIZE
        return blob_name(data)

    @property
    def bytes_on_disk(self) -> int:
        return sum(p.stat().st_size for p in self.folder.glob("blobs/*/*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_whoever_offers_what_another_uploaded_has_no_more_than_its_share(place: Place) -> None:
    for _ in range(20):
        digest = place.upload(1)
        place.now_ms += 500_000
        assert place.blobs.have(2, digest, SIZE) == SIZE
        assert place.blobs.add(3, digest, SIZE, 0, b"x") == SIZE
        assert place.blobs.size(digest) == SIZE
    assert place.bytes_on_disk <= 2 * SIZE
    assert all(place.blobs._unnamed.bytes_of(member) <= 2 * SIZE for member in (1, 2, 3))


def test_what_is_offered_is_kept_also_where_much_is_half_uploaded(place: Place) -> None:
    for k in range(3):
        data = bytes([k]) * SIZE
        place.blobs.add(2, blob_name(data), SIZE, 0, data[:-1])
    digest = place.upload(1)
    assert place.blobs.have(2, digest, SIZE) == SIZE
    place.upload(1), place.upload(1)
    assert place.blobs.size(digest) == SIZE
    held = place.blobs._unnamed.bytes_of(2) + place.blobs.incomplete_bytes(2)
    assert held <= 2 * SIZE


def test_a_chunk_counts_as_a_block_however_small(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs the service a look at all that the member has half uploaded."""
    monkeypatch.setattr(unnamed_blobs, "UPLOADS_AN_HOUR", 1)
    most, data = SIZE // BLOCK, os.urandom(SIZE)
    for k in range(most):
        assert place.blobs.add(1, blob_name(data), SIZE, k, data[k : k + 1]) == k + 1
    with pytest.raises(BadUpload, match="too much"):
        place.blobs.add(1, blob_name(data), SIZE, most, b"x")


def test_only_whoever_uploaded_it_has_back_what_an_upload_cost(place: Place) -> None:
    for _ in range(UPLOADS_AN_HOUR):
        place.upload(2)
    with pytest.raises(BadUpload):
        place.upload(2)
    others = place.upload(1)
    place.blobs.have(2, others, SIZE)
    place.blobs.name(others)
    with pytest.raises(BadUpload):
        place.upload(2)


def test_an_upload_that_gave_way_costs_again_and_gives_nothing_back(place: Place) -> None:
    data = bytes(SIZE)
    for _ in range(UPLOADS_AN_HOUR // 4):
        place.blobs.add(1, blob_name(data), SIZE, 0, data)
        place.upload(1), place.upload(1)  # it gives way to these
        assert place.blobs.size(blob_name(data)) is None
    place.blobs.add(1, blob_name(data), SIZE, 0, data[:-1])
    place.blobs.name(blob_name(data))
    spent = UPLOADS_AN_HOUR // 4 * 3 * SIZE
    assert place.blobs._unnamed.may_spend(1, b"", UPLOADS_AN_HOUR * SIZE - spent, SIZE)
    assert not place.blobs._unnamed.may_spend(1, b"", 1, SIZE)


def test_an_incomplete_upload_that_gave_way_gives_nothing_back(place: Place) -> None:
    names = list[bytes]()
    for k in range(4):
        data = bytes([k]) * SIZE
        place.blobs.add(1, blob_name(data), SIZE, 0, data[:-1])
        names.append(blob_name(data))
    for name_of_it in names[:2]:
        place.blobs.name(name_of_it)
    free = (UPLOADS_AN_HOUR - 4) * SIZE + 4
    assert place.blobs._unnamed.may_spend(1, b"", free, SIZE)
    assert not place.blobs._unnamed.may_spend(1, b"", 1, SIZE)


def test_what_a_full_disk_keeps_from_being_deleted_is_deleted_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.upload(1)
    place.blobs.add(1, blob_name(bytes(SIZE)), SIZE, 0, bytes(SIZE - 1))
    place.now_ms += 1_000 * CLEAN_UP_SECONDS
    with monkeypatch.context() as patch:
        patch.setattr(place.store, "remove_blobs", lambda names: full(place.folder))
        with pytest.raises(StoreFull):
            place.blobs.clean_up()
    assert place.bytes_on_disk == SIZE
    assert not place.blobs.incomplete_bytes(1), "a full disk does not refuse that"
    place.blobs.clean_up()
    assert place.bytes_on_disk == 0


def full(folder: Path) -> None:
    raise StoreFull(folder, "no space left")
