"""A board is the same in every database: in order, durable, whole, and never another one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.errors import AggregatorError, StoreDamaged
from aggregator.store.board import BoardStore
from aggregator.store.database import NO_END, RoundVector
from protocol.board.post import Head, entry_hash
from tests.stage.boards.backend import Backend
from tests.stage.desk import Desk
from tests.stage.files import flipped

NAME, OTHER = b"n" * 32, b"o" * 32
REPLACE = "UPDATE entries SET entry = ? WHERE position = ?"
DELETE = "DELETE FROM entries WHERE position = ?"


@pytest.fixture
def desk(backend: Backend, tmp_path: Path) -> Iterator[Desk]:
    """A service with six entries, whose board is in that database."""
    made = Desk(tmp_path / "data", database=backend.open)
    for _ in range(6):
        made.propose(1)
    yield made
    made.service.close()


def damage_of(desk: Desk) -> StoreDamaged:
    desk.service.close()
    with pytest.raises(StoreDamaged) as caught:
        desk.restart()
    return caught.value


def test_entries_come_back_in_order(backend: Backend) -> None:
    with closing(backend.open()) as database:
        for position in (1, 2, 3):
            database.append(position, b"%d" % position, ())
        assert list(database.rows(0, NO_END)) == [(1, b"1"), (2, b"2"), (3, b"3")]
        assert list(database.rows(1, 2)) == database.rows_beside(1, 2) == [(2, b"2")]
        assert backend.stored() == [b"1", b"2", b"3"]


def test_what_was_written_is_there_for_who_opens_it_again(backend: Backend) -> None:
    with closing(backend.open()) as database:
        database.add_blob(NAME, 5)
        database.append(1, b"one", [NAME])
        database.keep_summary(b"first")
        database.keep_summary(b"second")
    with closing(backend.open()) as again:
        assert list(again.rows(0, NO_END)) == [(1, b"one")]
        assert (again.blob_size(NAME), again.is_named(NAME)) == (5, True)
        assert again.summary() == b"second"


def test_nothing_is_there_at_first(backend: Backend) -> None:
    with closing(backend.open()) as database:
        assert list(database.rows(0, NO_END)) == database.rows_beside(0, NO_END) == []
        assert database.summary() is database.blob_size(NAME) is None
        assert database.unnamed_blobs() == backend.stored() == []
        assert not database.is_named(NAME)


def test_a_position_is_taken_once(backend: Backend) -> None:
    with closing(backend.open()) as database:
        database.add_blob(NAME, 5)
        database.append(1, b"one", ())
        with pytest.raises(AggregatorError):
            database.append(1, b"another", [NAME])
        assert not backend.ask("SELECT 1 FROM blobs WHERE named")
    assert backend.stored() == [b"one"]


def test_blobs_are_recorded_once_named_and_removed(backend: Backend) -> None:
    with closing(backend.open()) as database:
        database.add_blob(NAME, 5)
        database.add_blob(OTHER, 7)
        database.append(1, b"one", [NAME])
        database.add_blob(NAME, 9)
        assert (database.blob_size(NAME), database.is_named(NAME)) == (5, True)
        assert database.unnamed_blobs() == [(OTHER, 7)]
        database.remove_blobs([OTHER, b"unknown" * 4])
        assert database.unnamed_blobs() == []
        assert database.blob_size(OTHER) is None


def test_a_name_that_no_blob_has_is_no_row(backend: Backend) -> None:
    with closing(backend.open()) as database:
        database.append(1, b"one", [NAME])
        assert database.blob_size(NAME) is None


def test_many_read_to_the_newest_entry_while_more_are_stored(
    backend: Backend, tmp_path: Path
) -> None:
    store, count = BoardStore(tmp_path, backend.open()), 150
    stored = [b"%d" % position for position in range(1, count + 1)]
    heads = [Head(k, entry_hash(data)) for k, data in enumerate(stored, start=1)]
    there = 0

    def read(place: int) -> int:
        last = 0
        while last < count:
            last = there
            assert store.entries_after(place, last, 1 << 20) == stored[place:last]
        return last

    with closing(store), ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(read, k) for k in range(8)]
        for head, data in zip(heads, stored, strict=True):
            store.append(head, data)
            there = head.position
        assert [one.result(60) for one in asked] == [count] * 8


# ── a service on it ──


def test_a_restart_changes_nothing(desk: Desk, backend: Backend) -> None:
    before = desk.all_entries()
    assert before == backend.stored()
    desk.service.close()
    desk.restart()
    assert desk.all_entries() == before


def test_a_gap_in_the_positions_is_damage_before_anything_is_decoded(
    backend: Backend, tmp_path: Path
) -> None:
    with closing(BoardStore(tmp_path, backend.open())) as store:
        store.append(Head(1, bytes(32)), b"one")
        store.append(Head(2, bytes(32)), b"two")
        backend.change("UPDATE entries SET position = 3 WHERE position = 2")
        with pytest.raises(StoreDamaged) as caught:
            list(store.entries())
    assert caught.value.position == 2


@pytest.mark.parametrize("position", [1, 3, 6])
def test_a_missing_entry_is_named(desk: Desk, backend: Backend, position: int) -> None:
    backend.change(DELETE, position)
    assert damage_of(desk).position == position


@pytest.mark.parametrize("position", [1, 3, 6])
def test_a_flipped_bit_in_an_entry_is_named(desk: Desk, backend: Backend, position: int) -> None:
    entry = desk.all_entries()[position - 1]
    for place in (0, len(entry) // 2, len(entry) - 1):
        backend.change(REPLACE, flipped(entry, place), position)
        found = damage_of(desk)
        # A changed time passes for an entry of its own; then the next one does not follow it.
        assert found.position in (position, position + 1)
        assert found.reason
    backend.change(REPLACE, entry, position)
    desk.restart()


def test_an_entry_that_changes_while_a_service_is_at_work_is_not_sent(
    desk: Desk, backend: Backend
) -> None:
    data = desk.all_entries()[1]
    backend.change(REPLACE, flipped(data, -9), 2)
    with pytest.raises(StoreDamaged, match="not the one") as caught:
        desk.service.entries_after(1)
    assert caught.value.position == 2
    assert len(desk.service.entries_after(2).entries) == 4


def test_a_board_that_has_lost_its_end_is_not_served(desk: Desk, backend: Backend) -> None:
    for position in (5, 6):
        backend.change(DELETE, position)
    found = damage_of(desk)
    assert found.position == 5
    assert "entry 6" in found.reason


def test_a_blob_that_the_board_names_and_that_is_not_recorded_is_named(
    desk: Desk, backend: Backend
) -> None:
    desk.open_training(length=700)
    desk.contribute(1, "study/cardio/1")
    backend.change("DELETE FROM blobs")
    assert "recorded" in damage_of(desk).reason


# ── vectors ──


def test_vectors_go_once_their_rounds_are_given_up_and_nothing_else_names_them(
    backend: Backend,
) -> None:
    blobs = {k: bytes([k]) * 32 for k in range(1, 6)}
    with closing(backend.open()) as database:
        for name in blobs.values():
            database.add_blob(name, 5)
        database.append(1, b"one", [blobs[1]], RoundVector("s", 1, (blobs[1], blobs[2])))
        database.append(2, b"two", (), RoundVector("s", 1, (blobs[2], blobs[3])))
        database.append(3, b"three", (), RoundVector("s", 2, (blobs[3], blobs[4])))
        database.append(4, b"four", (), RoundVector("t", 1, (blobs[5],)))
        assert database.prune(9) == ([], False)
        database.mark_pruned("s", 2)
        assert database.pruned() == [("s", 2)]
    with closing(backend.open()) as database:
        assert database.pruned() == [("s", 2)]
        gone, is_more = list[object](), True
        while is_more:
            found, is_more = database.prune(1)
            gone += found
        assert gone == [blobs[2]]  # for good is the first, and the third is in another round, too
        there = {k for k, name in blobs.items() if database.blob_size(name) is not None}
        assert there == {1, 3, 4, 5}
        database.mark_pruned("s", 3)
        found, _ = database.prune(9)
        assert set(found) == {blobs[3], blobs[4]}
        assert database.pruned() == [("s", 3)]
        assert database.unnamed_blobs() == []
