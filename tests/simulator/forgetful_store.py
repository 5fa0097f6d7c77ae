"""A planted mistake: the aggregator acknowledges an entry before it is durable."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.store.board import BoardStore
from aggregator.store.database import BoardDatabase

_RECORD = 48  # bytes of a noted head


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on whoever starts on a folder again finds its last entry gone."""
    opened, seen = BoardStore.__init__, set[Path]()

    def start(store: BoardStore, folder: Path, *database: BoardDatabase) -> None:
        if folder in seen and (folder / "heads").exists():
            _lose_last(folder)
        seen.add(folder)
        opened(store, folder, *database)

    monkeypatch.setattr(BoardStore, "__init__", start)


def _lose_last(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "board.sqlite")) as database, database:
        database.execute("DELETE FROM entries WHERE position = (SELECT max(position) FROM entries)")
    heads = folder / "heads"
    heads.write_bytes(heads.read_bytes()[:-_RECORD])
