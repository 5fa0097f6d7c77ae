"""The databases that a board may be in, each as the tests of all of them see it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aggregator.store.database import BoardDatabase
from aggregator.store.sqlite import SqliteBoard, stored_entries


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
