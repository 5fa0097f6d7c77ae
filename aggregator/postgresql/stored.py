"""A board in PostgreSQL for who only reads it: ``status`` and ``export``."""

from contextlib import closing
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
from aggregator.store import Row, in_order

_HOLDS = (
    "SELECT process, host FROM board WHERE EXISTS (SELECT 1 FROM pg_locks WHERE granted "
    "AND locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class Leader(NamedTuple):
    """The process that leads, and its machine."""

    process: int
    host: str


def stored_entries(address: str, federation: bytes) -> list[bytes]:
    """The entries, of which a leader may be adding some; none if there is no board.

    Raises BoardRefused, StoreDamaged, StoreFull.
    """
    return list(
        in_order(_stored(address, federation, "SELECT * FROM entries ORDER BY position"), 0)
    )


def stored_pruned(address: str, federation: bytes) -> list[Row]:
    """By study, the first round whose vectors are not given up; as ``stored_entries``."""
    return _stored(address, federation, "SELECT study, before FROM pruned")


def _stored(address: str, federation: bytes, query: LiteralString) -> list[Row]:
    place = name_of(address)
    with closing(connect(address)) as connection:
        if not _is_there(connection, place, federation):
            return []
        try:
            with database_errors(place):
                return connection.execute(query, binary=True).fetchall()
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
