"""One process leads, and one that led before changes nothing any more."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from aggregator.errors import LeadLost
from aggregator.postgresql import lead as module
from aggregator.postgresql.database import PostgresBoard
from aggregator.postgresql.lead import LOCK, Lead
from aggregator.postgresql.stored import who_leads
from aggregator.store.database import NO_END
from tests.stage.boards.server import Server

FEDERATION, NAME = b"f" * 32, b"n" * 32
PATIENCE = 20.0  # seconds; only a failing test waits for so long


class Table:
    """A database, and processes that want to lead."""

    def __init__(self, server: Server) -> None:
        self.address = server.address(server.new_database())
        self._opened: list[closing[Lead] | closing[PostgresBoard]] = []

    def lead(self) -> Lead:
        made = Lead(self.address, FEDERATION)
        self._opened.append(closing(made))
        return made

    def led(self) -> tuple[Lead, PostgresBoard]:
        """One that leads once nobody else does, and what it writes to."""
        lead = self.lead()
        until(lead.take)
        board = PostgresBoard(self.address, lead, FEDERATION)
        self._opened.append(closing(board))
        return lead, board

    def end_session(self) -> None:
        """The leader's lock is free, as after a silence."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        with psycopg.connect(self.address, autocommit=True) as connection:
            assert connection.execute(f"{query} AND objid = {LOCK} AND granted").fetchall()

    def close(self) -> None:
        for opened in reversed(self._opened):
            opened.__exit__()


@pytest.fixture
def table(postgres: Server, patient_database: None) -> Iterator[Table]:
    made = Table(postgres)
    yield made
    made.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def freeze(lead: Lead) -> None:
    """It says nothing any more, as a process that is stopped."""
    lead._ended.set()
    assert lead._beating is not None
    lead._beating.join()


def test_one_leads_and_the_next_follows_when_it_ends(table: Table) -> None:
    first, _ = table.led()
    second = table.lead()
    assert not second.take()
    first.close()
    until(second.take)
    assert second.term == first.term + 1


def test_who_leads_is_known_by_process(table: Table) -> None:
    assert who_leads(table.address, FEDERATION) is None
    lead, _ = table.led()
    found = who_leads(table.address, FEDERATION)
    assert found is not None
    assert found == (os.getpid(), socket.gethostname())
    lead.close()
    until(lambda: who_leads(table.address, FEDERATION) is None)


CHANGES: dict[str, Callable[[PostgresBoard], None]] = {
    "entry": lambda board: board.append(1, b"late", [NAME]),
    "summary": lambda board: board.keep_summary(b"late"),
    "blob": lambda board: board.add_blob(b"o" * 32, 3),
    "no blob": lambda board: board.remove_blobs([NAME]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_leader_of_an_older_term_changes_nothing_also_where_nobody_has_written(
    table: Table, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """As of a process that stood still right behind its own check."""
    first, old = table.led()
    old.add_blob(NAME, 5)
    table.end_session()
    _, new = table.led()
    monkeypatch.setattr(first, "require", lambda: None)
    with pytest.raises(LeadLost, match="another process has taken the lead"):
        CHANGES[change](old)
    assert list(new.rows(0, NO_END)) == []
    assert new.summary() is None
    assert new.unnamed_blobs() == [(NAME, 5)]


def test_two_that_write_the_same_entry_write_it_once(table: Table) -> None:
    lead, one = table.led()
    with closing(PostgresBoard(table.address, lead, FEDERATION)) as other:
        one.append(1, b"one", ())
        with pytest.raises(LeadLost, match="another process has written the entry"):
            other.append(1, b"two", ())
    assert list(one.rows(0, NO_END)) == [(1, b"one")]


def test_a_silent_leader_loses_the_lead_and_knows_it(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_MS", 600)
    monkeypatch.setattr(module, "_SURE_SECONDS", 0.5)
    first, old = table.led()
    freeze(first)
    second, _ = table.led()
    assert second.term == first.term + 1
    for work in (lambda: old.blob_size(NAME), lambda: old.append(1, b"late", ())):
        with pytest.raises(LeadLost, match="stood still"):
            work()


def test_a_leader_whose_session_was_ended_is_told(table: Table) -> None:
    lead, _ = table.led()
    told = threading.Event()
    lead.tell(lambda lost: told.set())
    table.end_session()
    assert told.wait(PATIENCE)
    with pytest.raises(LeadLost):
        lead.require()


def test_who_takes_the_lead_waits_for_a_change_that_is_under_way(table: Table) -> None:
    table.led()
    with psycopg.connect(table.address) as under_way:
        under_way.execute("SELECT 1 FROM quorate.board FOR SHARE")
        under_way.execute("INSERT INTO quorate.entries VALUES (1, 'last')")
        table.end_session()
        second = table.lead()
        taken = list[bool]()
        taking = threading.Thread(target=lambda: taken.append(second.take()))
        taking.start()
        taking.join(0.3)
        assert not taken
        under_way.commit()
    taking.join(PATIENCE)
    assert taken == [True]
    board = PostgresBoard(table.address, second, FEDERATION)
    with closing(board):
        assert list(board.rows(0, NO_END)) == [(1, b"last")]


def test_a_change_that_meets_the_next_leader_is_refused(table: Table) -> None:
    """It has begun before the new term is there for all to see."""
    _, old = table.led()
    found = list[Exception]()

    def change() -> None:
        try:
            old.append(1, b"late", ())
        except LeadLost as lost:
            found.append(lost)

    with psycopg.connect(table.address) as taking:
        taking.execute("UPDATE quorate.board SET term = term + 1")
        changing = threading.Thread(target=change)
        changing.start()
        changing.join(0.3)
        assert changing.is_alive()
        taking.commit()
    changing.join(PATIENCE)
    assert len(found) == 1
    assert list(old.rows(0, NO_END)) == []


def test_what_is_committed_has_reached_the_disk_whatever_the_database_says(table: Table) -> None:
    with psycopg.connect(table.address, autocommit=True) as owner:
        owner.execute(f"ALTER DATABASE {owner.info.dbname} SET synchronous_commit TO off")
        owner.execute(
            f"ALTER DATABASE {owner.info.dbname} SET default_transaction_isolation TO serializable"
        )
    _, board = table.led()
    for name, value in (("synchronous_commit", "on"), ("transaction_isolation", "read committed")):
        assert board._value(f"SHOW {name}") == value
