"""Durable appends to a board, in both databases by turns, so that both meet the same disk."""

import os
import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from aggregator.postgresql.database import PostgresBoard
from aggregator.postgresql.lead import Lead
from aggregator.store import BoardDatabase, SqliteBoard
from tests.stage.boards.server import Server

ENTRY_BYTES, TURN, TURNS = 2_000, 100, 10  # an entry of a round; so many a turn of each


def measure(folder: Path, server: Server) -> dict[str, Any]:
    """Entries a second, of the turns the median; and how often PostgreSQL's goes into SQLite's."""
    federation = bytes(32)
    address = server.address(server.new_database())
    with closing(Lead(address, federation)) as lead:
        assert lead.take()
        postgresql = PostgresBoard(address, lead, federation)
        with closing(postgresql), closing(SqliteBoard(folder)) as sqlite:
            rates = [(_rate(sqlite, turn), _rate(postgresql, turn)) for turn in range(TURNS)]
    return {
        "entry_bytes": ENTRY_BYTES,
        "appends": TURN * TURNS,
        "sqlite_a_second": statistics.median(rate for rate, _ in rates),
        "postgresql_a_second": statistics.median(rate for _, rate in rates),
        "ratio": statistics.median(one / other for one, other in rates),
    }


def _rate(database: BoardDatabase, turn: int) -> float:
    began = time.perf_counter()
    for position in range(TURN * turn + 1, TURN * (turn + 1) + 1):
        database.append(position, os.urandom(ENTRY_BYTES), ())
    return TURN / (time.perf_counter() - began)
