"""The board on disk: damage is noticed, a missing end too."""

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from aggregator.cli.sentences import sentences
from aggregator.errors import AggregatorError, BoardRefused, StoreDamaged
from aggregator.store.board import BoardStore
from aggregator.store.heads import HeadLog
from aggregator.store.sqlite import SqliteBoard
from examples.demo.stored import stored_entries
from protocol.board.post import Head
from tests.stage.desk import Desk
from tests.stage.files import flipped

REPLACE = "UPDATE entries SET entry = ? WHERE position = ?"


def fill(desk: Desk, count: int = 6) -> None:
    for _ in range(count):
        desk.propose(1)


def filled(folder: Path) -> Desk:
    """A desk whose service has been closed, with entries."""
    desk = Desk(folder)
    fill(desk)
    desk.service.close()
    return desk


def change(folder: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(folder / "board.sqlite")
    with database:
        database.execute(statement, values)
    database.close()


def damage_of(desk: Desk) -> StoreDamaged:
    with pytest.raises(StoreDamaged) as caught:
        desk.restart()
    return caught.value


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    store = BoardStore(tmp_path)
    store.append(Head(1, bytes(32)), b"one")
    store.append(Head(2, bytes(32)), b"two")
    assert list(store.entries()) == stored_entries(tmp_path) == [b"one", b"two"]
    store.close()
    assert list(BoardStore(tmp_path).entries()) == [b"one", b"two"]


def test_without_a_board_there_are_no_entries(tmp_path: Path) -> None:
    assert stored_entries(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_an_entry_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    store = BoardStore(tmp_path / "first")
    store.append(Head(1, bytes(32)), b"one")
    shutil.copytree(tmp_path / "first", tmp_path / "second")  # what a dead process leaves
    assert list(BoardStore(tmp_path / "second").entries()) == [b"one"]


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    database = SqliteBoard(tmp_path)._database
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_entry_that_is_not_bytes_is_named(tmp_path: Path) -> None:
    desk = filled(tmp_path)
    change(tmp_path, "UPDATE entries SET entry = 'text' WHERE position = 2")
    assert damage_of(desk).position == 2


def test_a_flipped_bit_anywhere_in_the_database_is_noticed_or_changes_nothing(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path / "data")
    desk.open_training(length=700)
    desk.contribute(1, "study/cardio/1")
    before = desk.all_entries()
    desk.service.close()
    path = tmp_path / "data" / "board.sqlite"
    whole, noticed = path.read_bytes(), 0
    places = [*range(0, 200, 7), *range(200, len(whole), len(whole) // 150)]
    for place in places:
        path.write_bytes(flipped(whole, place, bit=place % 8))
        for rest in ("board.sqlite-wal", "board.sqlite-shm"):
            (tmp_path / "data" / rest).unlink(missing_ok=True)
        try:
            desk.restart()
        except AggregatorError:
            noticed += 1
        else:
            assert desk.all_entries() == before
            desk.service.close()
    assert noticed > len(places) // 4


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    (tmp_path / "board.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 9)
    with pytest.raises(StoreDamaged) as caught:
        Desk(tmp_path)
    assert caught.value.what == "board.sqlite"


def test_a_board_restored_from_an_older_copy_is_not_served(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    fill(desk, 3)
    desk.service.close()
    shutil.copy(tmp_path / "data" / "board.sqlite", tmp_path / "copy")
    desk.restart()
    fill(desk, 2)
    desk.service.close()
    shutil.copy(tmp_path / "copy", tmp_path / "data" / "board.sqlite")
    found = damage_of(desk)
    assert found.position == 4
    assert "entry 5" in found.reason


def test_a_lost_write_ahead_log_is_noticed(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    fill(desk, 3)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    (tmp_path / "copy" / "board.sqlite-wal").unlink()
    desk.folder = tmp_path / "copy"
    assert damage_of(desk).position == 1


def test_a_board_that_went_another_way_is_not_served(tmp_path: Path) -> None:
    one, other = Desk(tmp_path / "one"), Desk(tmp_path / "other")
    fill(one, 2)
    other.propose(2)
    fill(other, 2)
    one.service.close()
    other.service.close()
    shutil.copy(tmp_path / "other" / "board.sqlite", tmp_path / "one" / "board.sqlite")
    assert damage_of(one).position == 2


def test_notes_that_a_crash_cut_short_are_passed_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    fill(desk, 3)
    notes = tmp_path / "heads"
    notes.write_bytes(notes.read_bytes()[:-1])
    desk.restart()
    fill(desk, 1)
    notes.write_bytes(notes.read_bytes() + bytes(100))
    assert desk.restart().board.head.position == 4
    notes.unlink()
    assert desk.restart().board.head.position == 4


def test_the_last_note_that_reads_counts(tmp_path: Path) -> None:
    log = HeadLog(tmp_path / "heads")
    assert log.last is None
    heads = [Head(k, bytes([k]) * 32) for k in (1, 2, 3)]
    for head in heads:
        log.note(head)
    assert HeadLog(tmp_path / "heads").last == heads[-1]
    (tmp_path / "heads").write_bytes(flipped((tmp_path / "heads").read_bytes(), -20))
    assert HeadLog(tmp_path / "heads").last == heads[1]


def test_a_blob_that_the_board_names_and_that_is_gone_is_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.open_training(length=700)
    desk.contribute(1, "study/cardio/1")
    desk.service.close()
    (blob,) = (tmp_path / "blobs").glob("*/*")
    blob.rename(tmp_path / "aside")
    assert blob.name in damage_of(desk).what
    (tmp_path / "aside").rename(blob)
    with blob.open("ab") as file:
        file.truncate(blob.stat().st_size - 1)
    assert "length" in damage_of(desk).reason


def test_a_board_that_is_being_made_has_no_entries_yet(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "board.sqlite").close()
    (tmp_path / "board.sqlite").touch()
    assert stored_entries(tmp_path) == []


@pytest.mark.parametrize("number", [0, 2])
def test_tables_of_another_release_are_refused_and_unchanged(tmp_path: Path, number: int) -> None:
    """Those of number 0 are from before tables had one."""
    desk = Desk(tmp_path)
    fill(desk, 2)
    desk.service.close()
    path = tmp_path / "board.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"PRAGMA journal_mode=DELETE; PRAGMA user_version={number}")
    before = path.read_bytes()
    for work in (desk.restart, partial(stored_entries, tmp_path)):
        with pytest.raises(BoardRefused) as caught:
            work()
        what, remedy = sentences(caught.value)
        assert f"{path} holds no board that this release reads" in what
        assert f"format {number}, not 1" in what
        assert "--data with another folder" in remedy
    assert path.read_bytes() == before


def test_a_path_is_told_as_it_is_written() -> None:
    refused = BoardRefused("build/board.sqlite", "format", "its tables have format 0, not 1")
    assert sentences(refused)[0].startswith("build/board.sqlite holds no board")
    refused = BoardRefused("the database on db1", "format", "its tables have format 0, not 1")
    assert sentences(refused)[0].startswith("The database on db1 holds no board")
