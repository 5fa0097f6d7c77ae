"""What is on members' accounts: in bytes and in number, however small the blobs are."""

from __future__ import annotations

from pathlib import Path

from aggregator.blobs import BlobStore
from aggregator.store import BoardStore
from aggregator.unnamed_blobs import BLOCK, MOST_BLOBS, NOBODY, UnnamedBlobs
from protocol.messages import blob_name

LARGE = 1 << 40


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
    assert found.drop_oldest(1) == name(1)
    assert (found.bytes_of(1), found.bytes_of(2), found.bytes_of(NOBODY)) == (18_000, 9_000, 0)
    assert found.make_room(1, 0) == [name(2)]  # the other is on another account, too
    assert found.bytes_of(1) == 0


def test_however_few_bytes_there_are_so_many_blobs_and_no_more() -> None:
    found = accounts()
    for k in range(MOST_BLOBS + 3):
        found.claim(1, name(k), 1)
    assert found.make_room(1, LARGE) == [name(0), name(1), name(2)]
    assert found.count_of(1) == MOST_BLOBS


def test_tiny_blobs_make_room_in_one_transaction(tmp_path: Path) -> None:
    """One frame of one member: what it has to delete must not hold up the others' frames."""
    store = BoardStore(tmp_path)
    blobs = BlobStore(tmp_path, store)
    written = list[str]()
    count = 40
    for k in range(count):
        data = name(k)
        assert blobs.add(1, blob_name(data), len(data), 0, data) == len(data)
    store._database.set_trace_callback(written.append)
    blobs._remove(blobs._unnamed.make_room(1, 0))
    assert sum(statement.startswith("COMMIT") for statement in written) == 1
    assert not any(blobs.size(blob_name(name(k))) for k in range(count))
    store.close()
