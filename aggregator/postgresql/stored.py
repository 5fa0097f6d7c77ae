"""A board in PostgreSQL for who only reads it: ``status`` and ``export``."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor

from aggregator.errors import BoardRefused, LeadLost
from aggregator.postgresql.connection import (
    Connection,
    check_tables,
    connect,
    database_errors,
    is_made,
    name_of,
)
from aggregator.postgresql.lead import LOCK
from aggregator.store import NO_END, BoardTables, Chain, NoTables, Row, in_order

_HOLDS = (
    "SELECT process, host FROM board WHERE EXISTS (SELECT 1 FROM pg_locks WHERE granted "
    "AND locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_ENTRIES: LiteralString = (
    "SELECT position, entry FROM entries WHERE position > %s AND position <= %s "
    "ORDER BY position LIMIT %s"
)
_PAGE = 256  # entries that are read at once


class Leader(NamedTuple):
    """The process that leads, and its machine."""

    process: int
    host: str


class _Tables:
    """A board's tables as they are when they are first read from."""

    def __init__(self, connection: Connection, place: str) -> None:
        self._connection, self._place = connection, place
        _ask(connection, place, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def rows(self, after: int, last: int) -> Iterator[Row]:
        """Positions and entries, in order, after a position and up to another."""
        while after < last:
            page = self._rows(_ENTRIES, after, last, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after += _PAGE

    def rows_beside(self, after: int, last: int) -> list[Row]:
        """The same at once."""
        return list(self.rows(after, last))

    def summary(self) -> object:
        """What was kept last, None if nothing was."""
        found = self._rows("SELECT summary, number FROM summary")
        return found[0][0] if found else None

    def pruned(self) -> list[Row]:
        """By study, the first round whose vectors are not given up."""
        return self._rows("SELECT study, before FROM pruned")

    def followed(self) -> Chain | None:
        """None: it is read when it is opened."""
        return None

    def _rows(self, query: LiteralString, *values: int) -> list[Row]:
        return _ask(self._connection, self._place, query, *values).fetchall()


@contextmanager
def to_read(address: str, federation: bytes) -> Iterator[BoardTables]:
    """Reads a board to which a leader may be adding entries; nothing if there is none.

    Raises BoardRefused, StoreDamaged, StoreFull, also while it is read.
    """
    place = name_of(address)
    with closing(connect(address)) as connection:
        is_there = _is_there(connection, place, federation)
        yield _Tables(connection, place) if is_there else NoTables()


@contextmanager
def to_follow(address: str, federation: bytes) -> Iterator[Callable[[int], list[bytes]]]:
    """Gives the next entries after a position, some at a time, as a leader adds them.

    Raises as ``to_read``.
    """
    place = name_of(address)
    with closing(connect(address)) as connection:
        is_there = _is_there(connection, place, federation)

        def page(after: int) -> list[bytes]:
            rows = _ask(connection, place, _ENTRIES, after, NO_END, _PAGE).fetchall()
            return list(in_order(rows, after))

        yield page if is_there else lambda after: []


def _ask(connection: Connection, place: str, query: LiteralString, *values: int) -> Cursor[Any]:
    try:
        with database_errors(place):
            return connection.execute(query, values, binary=True)
    except LeadLost as lost:
        raise BoardRefused(place, "connection", lost.reason) from None


def who_leads(address: str, federation: bytes) -> Leader | None:
    """The process that leads, None if none does; raises BoardRefused."""
    place = name_of(address)
    with closing(connect(address)) as connection:
        if not _is_there(connection, place, federation):
            return None
        found = _ask(connection, place, _HOLDS, LOCK).fetchone()
    return Leader(*found) if found else None


def _is_there(connection: Connection, place: str, federation: bytes) -> bool:
    try:
        with database_errors(place):
            is_there = is_made(connection)
    except LeadLost as lost:
        raise BoardRefused(place, "connection", lost.reason) from None
    if is_there:
        check_tables(connection, place, federation)
    return is_there
