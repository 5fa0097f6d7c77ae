"""The board and the names of its blobs on disk: SQLite, one writer, durable at each commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import StoreDamaged, StoreFull

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (digest BLOB PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
"""


class BoardStore:
    """Entries by position, and the blobs that are whole; what is written survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "board.sqlite"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.OperationalError) as error:
            raise StoreFull(self._path, str(error)) from None
        except sqlite3.DatabaseError as error:
            raise StoreDamaged("board.sqlite", str(error)) from None

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def entries(self) -> Iterator[bytes]:
        """All entries in order; raises StoreDamaged where one is missing."""
        try:
            rows = self._database.execute("SELECT position, entry FROM entries ORDER BY position")
            for expected, (position, entry) in enumerate(rows, start=1):
                if position != expected:
                    raise StoreDamaged(f"entry {expected}", "it is missing")
                yield entry
        except sqlite3.DatabaseError as error:
            raise StoreDamaged("board.sqlite", str(error)) from None

    def append(self, position: int, entry: bytes) -> None:
        """Store the next entry; durable when this returns."""
        self._write("INSERT INTO entries VALUES (?, ?)", (position, entry))

    def add_blob(self, digest: bytes, size: int) -> None:
        """Record that a blob is whole; durable when this returns."""
        self._write("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (digest, size))

    def blob_size(self, digest: bytes) -> int | None:
        """The size of a whole blob, None if it is unknown."""
        row = self._database.execute("SELECT size FROM blobs WHERE digest = ?", (digest,))
        found = row.fetchone()
        return None if found is None else int(found[0])

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise StoreFull(self._path, str(error)) from None
        except sqlite3.DatabaseError as error:
            raise StoreDamaged("board.sqlite", str(error)) from None
