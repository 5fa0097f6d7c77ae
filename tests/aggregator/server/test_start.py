"""A start: what was verified when it was stored is not verified again, and is what it was."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.errors import StoreDamaged
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from protocol.board import board as board_module
from protocol.board.post import Entry, Head, SignedPost, entry_hash
from protocol.encoding import encode
from tests.stage.desk import Desk
from tests.stage.files import flipped


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[object]:
    """The first arguments of all calls of a function from now on."""
    real: Callable[..., object] = getattr(owner, name)
    seen: list[object] = []

    def count(*arguments: object, **named: object) -> object:
        seen.append(arguments[-1])
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, count)
    return seen


def test_no_signature_is_verified_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open_training()
    before = desk.service.status({})
    verified = counted(monkeypatch, board_module, "verify")
    desk.restart()
    assert not verified
    assert desk.service.status({}) == before


def test_what_a_crash_kept_from_being_noted_is_verified(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open_training()
    notes = tmp_path / "heads"
    notes.write_bytes(notes.read_bytes()[:-96])  # of two entries
    verified = counted(monkeypatch, board_module, "verify")
    desk.restart()
    assert len(verified) == 2


def test_an_entry_behind_the_noted_head_that_nobody_signed_is_damage(
    desk: Desk, tmp_path: Path
) -> None:
    desk.propose(1)
    head = desk.service.board.head
    signed = desk.sign(2, "study/other", desk.statistic("other").plan)
    forged = SignedPost(signed.post, flipped(signed.signature, 3))
    entry = Entry(head.position + 1, head.hash, desk.time_ms, forged)
    desk.service.close()
    database = sqlite3.connect(tmp_path / "board.sqlite")
    with database:
        database.execute("INSERT INTO entries VALUES (?, ?)", (entry.position, encode(entry)))
    database.close()
    with pytest.raises(StoreDamaged, match="signature") as caught:
        desk.restart()
    assert caught.value.position == entry.position


def test_who_has_read_half_keeps_no_other_from_the_newest(tmp_path: Path) -> None:
    """A reader that has not come to its end would hold the whole connection at its moment."""
    store = BoardStore(tmp_path)
    for position in range(1, 3):
        store.append(Head(position, entry_hash(b"%d" % position)), b"%d" % position)
    half = store.between(1, 2)
    assert next(half) == b"1"
    store.append(Head(3, entry_hash(b"3")), b"3")
    assert store.entries_after(0, 3, 1 << 20) == [b"1", b"2", b"3"]
    assert list(half) == [b"2"]
    assert list(store.between(1, 3)) == [b"1", b"2", b"3"]
    store.close()


def test_entries_are_read_while_another_is_being_stored(tmp_path: Path) -> None:
    store = BoardStore(tmp_path)
    for position, data in enumerate((b"one", b"two"), start=1):
        store.append(Head(position, entry_hash(data)), data)
    database = store._database
    with database._transaction():
        database._database.execute("INSERT INTO entries VALUES (3, x'02')")
        assert store.entries_after(0, 2, 1 << 20) == [b"one", b"two"]
    assert store.entries_after(0, 2, 11) == [b"one"]
    assert store.entries_after(1, 2, 0) == [b"two"]  # one, however long
    with pytest.raises(StoreDamaged, match="not the one"):
        store.entries_after(0, 3, 1 << 20)  # nobody has stored the third by ``append``
    with database._transaction():
        database._database.execute("DELETE FROM entries WHERE position > 1")
    with pytest.raises(StoreDamaged, match="missing"):
        store.entries_after(0, 2, 1 << 20)
    store.close()


def test_only_blobs_of_rounds_that_go_on_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    study = desk.study(desk.open_training(length=700, rounds=9))
    asked: dict[int, set[bytes]] = {}
    for number in range(1, 4):
        desk.fill(study.round(number))
        desk.wait(0)
        asked[number] = {
            a.digest
            for p in desk.service.board.session(study.round(number))
            for a in p.attachments
            if a.is_blob
        }
        if number < 3:
            desk.state(study.round(number), study.members, length=700)
            desk.wait(0)
    assert all(asked.values())
    for name in asked[1]:
        (tmp_path / "blobs" / name.hex()[:2] / name.hex()).unlink()
    real = BlobStore.require
    named: set[bytes] = set()

    def require(store: BlobStore, digest: bytes, size: int | None = None) -> None:
        named.add(digest)
        real(store, digest, size)

    monkeypatch.setattr(BlobStore, "require", require)
    desk.restart()
    assert named.isdisjoint(asked[1] | asked[2])
    assert asked[3] <= named


def test_a_blob_that_is_named_is_known_as_such_by_its_row(desk: Desk) -> None:
    session = desk.open_training(length=700)
    payload = desk.payload(session)
    body = desk.contribution(1, session, payload)
    name = body.ciphertexts.digest
    desk.upload(1, payload)
    store = desk.service._store
    assert [digest for digest, _ in store.unnamed_blobs()] == [name]
    assert not store.is_named(name)
    desk.say(1, session, body)
    assert not store.unnamed_blobs()
    assert store.is_named(name)


def test_a_file_without_a_row_is_found_and_deleted_after_a_while(
    desk: Desk, tmp_path: Path
) -> None:
    """As a crash leaves it between the name of a blob and its row."""
    desk.upload(1, b"blob" * 100)
    (path,) = (tmp_path / "blobs").glob("*/*")
    desk.service._store.remove_blobs([bytes.fromhex(path.name)])
    desk.restart()
    desk.wait(61)
    assert path.exists()
    desk.wait(3_700)
    assert not path.exists()
