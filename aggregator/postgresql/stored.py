"""A board in PostgreSQL for who only reads it: ``status`` and ``export``."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import LiteralString, NamedTuple

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
from aggregator.store import ReadEntries, Row, in_order, no_entries

_HOLDS = (
    "SELECT process, host FROM board WHERE EXISTS (SELECT 1 FROM pg_locks WHERE granted "
    "AND locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_ENTRIES: LiteralString = (
    "SELECT * FROM entries WHERE position BETWEEN %s AND %s ORDER BY position LIMIT %s"
)
_PAGE = 256  # entries that are read at once


class Leader(NamedTuple):
    """The process that leads, and its machine."""

    process: int
    host: str


@contextmanager
def to_read(address: str, federation: bytes) -> Iterator[ReadEntries]:
    """Reads the entries, of which a leader may be adding some; none if there is no board.

    Raises BoardRefused, StoreDamaged, StoreFull, also while it is read.
    """
    place = name_of(address)
    with closing(connect(address)) as connection:
        is_there = _is_there(connection, place, federation)
        yield partial(_in_order, connection, place) if is_there else no_entries


def _in_order(connection: Connection, place: str, first: int, last: int) -> Iterator[bytes]:
    return in_order(_pages(connection, place, first, last), first - 1)


def _pages(connection: Connection, place: str, first: int, last: int) -> Iterator[Row]:
    while rows := _rows(connection, place, _ENTRIES, first, last, _PAGE):
        yield from rows
        if len(rows) < _PAGE:
            return
        first += _PAGE


def stored_pruned(address: str, federation: bytes) -> list[Row]:
    """By study, the first round whose vectors are not given up; raises as ``to_read``."""
    place = name_of(address)
    with closing(connect(address)) as connection:
        if not _is_there(connection, place, federation):
            return []
        return _rows(connection, place, "SELECT study, before FROM pruned")


def _rows(connection: Connection, place: str, query: LiteralString, *values: int) -> list[Row]:
    try:
        with database_errors(place):
            return connection.execute(query, values, binary=True).fetchall()
    except LeadLost as lost:
        raise BoardRefused(place, "connection", lost.reason) from None


def who_leads(address: str, federation: bytes) -> Leader | None:
    """The process that leads, None if none does; raises BoardRefused."""
    place = name_of(address)
    with closing(connect(address)) as connection:
        if not _is_there(connection, place, federation):
            return None
        try:
            with database_errors(place):
                found = connection.execute(_HOLDS, (LOCK,)).fetchone()
        except LeadLost as lost:
            raise BoardRefused(place, "connection", lost.reason) from None
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
