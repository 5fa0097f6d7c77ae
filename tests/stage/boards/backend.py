"""The databases that a board may be in, each as the tests of all of them see it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg

from aggregator.postgresql.database import PostgresBoard
from aggregator.postgresql.lead import Lead
from aggregator.store.database import BoardDatabase
from aggregator.store.sqlite import SqliteBoard
from examples.demo.processes import wait_for
from examples.demo.stored import stored_entries
from tests.stage.boards.server import Server
from tests.stage.boards.stored import stored_entries as stored_entries_of

PATIENCE = 30.0  # seconds; only a failing test waits for so long


class Backend(Protocol):
    """One board's database, which starts empty."""

    def open(self) -> BoardDatabase:
        """What a service writes to; who opens another one has closed the last, or it has died."""

    def change(self, statement: str, *values: object) -> None:
        """What somebody does with it beside the service; ``?`` stands for a value."""

    def ask(self, query: str) -> Sequence[tuple[object, ...]]:
        """What somebody reads from it."""

    def stored(self) -> list[bytes]:
        """The entries as ``export`` reads them."""


@dataclass
class InAFile:
    """SQLite."""

    folder: Path

    def open(self) -> BoardDatabase:
        self.folder.mkdir(exist_ok=True)
        return SqliteBoard(self.folder)

    def change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "board.sqlite")) as database, database:
            database.execute(statement, values)

    def ask(self, query: str) -> Sequence[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "board.sqlite")) as database:
            return database.execute(query).fetchall()

    def stored(self) -> list[bytes]:
        return stored_entries(self.folder)


class InPostgres:
    """PostgreSQL; who opens it leads at once, as after the last leader has died."""

    def __init__(self, server: Server, federation: bytes) -> None:
        self.address = server.address(server.new_database())
        self._federation = federation
        self._leads: list[Lead] = []

    def open(self) -> BoardDatabase:
        for lead in self._leads:
            lead.close()
        lead = Lead(self.address, self._federation)
        wait_for(
            "the lead", lead.take, [], PATIENCE
        )  # the server ends the last session in a moment
        self._leads.append(lead)
        return PostgresBoard(self.address, lead, self._federation)

    def change(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute("SET search_path TO quorate")
            connection.execute(statement.replace("?", "%s").encode(), values)

    def ask(self, query: str) -> Sequence[tuple[object, ...]]:
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute("SET search_path TO quorate")
            return connection.execute(query.encode()).fetchall()

    def stored(self) -> list[bytes]:
        return stored_entries_of(self.address, self._federation)

    def close(self) -> None:
        """Let go of the lead."""
        for lead in self._leads:
            lead.close()
