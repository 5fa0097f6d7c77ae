"""What PostgreSQL says, or does not say, while a leader is at work."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep

import psycopg
import pytest

from aggregator.errors import AggregatorError, LeadLost, StoreDamaged, StoreFull
from aggregator.postgresql import connection as connections
from aggregator.postgresql import lead as module
from aggregator.postgresql.candidate import Candidate
from aggregator.postgresql.connection import database_errors
from aggregator.postgresql.database import PostgresBoard
from aggregator.postgresql.lead import Lead
from aggregator.store.database import NO_END
from tests.stage.boards import server as servers
from tests.stage.boards.server import Server

FEDERATION = b"f" * 32
errors = psycopg.errors


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.DiskFull, StoreFull),
        (errors.OutOfMemory, StoreFull),
        (errors.LockNotAvailable, StoreFull),
        (errors.InsufficientPrivilege, StoreFull),
        (errors.SerializationFailure, StoreFull),
        (errors.AdminShutdown, LeadLost),
        (errors.IdleSessionTimeout, LeadLost),
        (errors.ConnectionFailure, LeadLost),
        (errors.ReadOnlySqlTransaction, LeadLost),
        (errors.UniqueViolation, LeadLost),
        (psycopg.OperationalError, LeadLost),
        (psycopg.InterfaceError, LeadLost),
        (errors.DataCorrupted, StoreDamaged),
        (errors.UndefinedTable, StoreDamaged),
    ],
)
def test_each_answer_is_a_refusal_the_end_of_a_lead_or_damage(
    error: type[psycopg.Error], kind: type[AggregatorError]
) -> None:
    with pytest.raises(AggregatorError) as caught, database_errors("the database"):
        raise error("what is said\nand more")
    assert type(caught.value) is kind
    assert "and more" not in str(caught.value)


def test_a_table_that_somebody_has_locked_is_a_refusal(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOCKED_MS", 50)
    address = postgres.address(postgres.new_database())
    with closing(Lead(address, FEDERATION)) as lead:
        assert lead.take()
        with closing(PostgresBoard(address, lead, FEDERATION)) as board:
            with psycopg.connect(address) as other:
                other.execute("LOCK TABLE quorate.entries")
                with pytest.raises(StoreFull, match="lock timeout"):
                    board.append(1, b"one", ())
            board.append(1, b"one", ())
            assert list(board.rows(0, NO_END)) == [(1, b"one")]


@contextmanager
def frozen(address: str) -> Iterator[None]:
    """All sessions of a database give no answer any more."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    with psycopg.connect(address, autocommit=True) as connection:
        own = connection.info.backend_pid
        pids = [pid for (pid,) in connection.execute(query) if pid != own]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


async def test_a_database_that_says_nothing_ends_the_lead_and_holds_nobody_up(
    postgres: Server,
) -> None:
    address = postgres.address(postgres.new_database())
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Candidate(address, FEDERATION).leading(asyncio.Event()) as (lead, board):
        lead.tell(lambda lost: loop.call_soon_threadsafe(told.set))
        board.append(1, b"one", ())
        with frozen(address):
            waiting = asyncio.create_task(asyncio.to_thread(board.append, 2, b"two", ()))
            async with asyncio.timeout(20):
                await told.wait()
                with pytest.raises(LeadLost):
                    await waiting
            lead.close()  # waits for nothing
            board.close()


def test_a_database_that_says_nothing_keeps_no_leader_from_ending(postgres: Server) -> None:
    """It is ended before it knows that it has lost the lead."""
    address = postgres.address(postgres.new_database())
    lead = Lead(address, FEDERATION)
    assert lead.take()
    with frozen(address):
        ending = threading.Thread(target=lead.close, daemon=True)
        sleep(2 * module._BEAT_SECONDS)  # until it has asked, and waits for the answer
        ending.start()
        ending.join(20)
        assert not ending.is_alive()


@pytest.mark.filterwarnings("ignore:PostgreSQL is not installed")
def test_without_a_server_tests_are_skipped_and_fail_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servers, "programs", lambda: None)
    monkeypatch.delenv("QUORATE_CI", raising=False)
    with pytest.raises(pytest.skip.Exception):
        servers.require_programs()
    monkeypatch.setenv("QUORATE_CI", "1")
    with pytest.raises(pytest.fail.Exception):
        servers.require_programs()
