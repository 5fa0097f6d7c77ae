"""Connections to PostgreSQL, and what its errors mean for a board."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aggregator.errors import (
    AggregatorError,
    BoardRefused,
    DatabaseFault,
    LeadLost,
    StoreDamaged,
    StoreFull,
)

Connection = psycopg.Connection[Any]

SCHEMA, FORMAT = "quorate", 1
LEAST_SERVER = 14  # which ends sessions that are idle
LOCKED_MS = 3_000  # that a change waits for who else has locked a table
_SILENT_MS = 3_000  # without a word from the server's machine, after which it counts as gone
_DEFAULTS: dict[str, object] = {
    "application_name": "quorate-aggregator", "connect_timeout": 5,
    "tcp_user_timeout": _SILENT_MS, "client_encoding": "utf8",
}  # fmt: skip
_SETUP_LOCK = 0x71_75_6F_73  # held while tables are made
_TABLES = """
CREATE SCHEMA quorate;
CREATE TABLE quorate.board (
  is_it boolean PRIMARY KEY DEFAULT true CHECK (is_it), format integer NOT NULL,
  federation bytea NOT NULL, term bigint NOT NULL, process integer NOT NULL, host text NOT NULL
);
CREATE TABLE quorate.entries (position bigint PRIMARY KEY, entry bytea NOT NULL);
CREATE TABLE quorate.blobs (
  digest bytea PRIMARY KEY, size bigint NOT NULL, named boolean NOT NULL,
  stays boolean NOT NULL DEFAULT false
);
CREATE INDEX unnamed ON quorate.blobs (digest) WHERE NOT named;
CREATE TABLE quorate.vectors (
  study text NOT NULL, round bigint NOT NULL, digest bytea NOT NULL,
  PRIMARY KEY (study, round, digest)
);
CREATE INDEX vectors_by_name ON quorate.vectors (digest);
CREATE TABLE quorate.pruned (study text PRIMARY KEY, before bigint NOT NULL);
CREATE TABLE quorate.summary (number integer PRIMARY KEY, summary bytea NOT NULL);
"""


def connect(address: str, **settings: str) -> Connection:
    """A connection that commits each statement; raises BoardRefused.

    settings: of libpq, where the address does not say otherwise.
    """
    place = name_of(address)
    parameters: dict[str, Any] = {**_DEFAULTS, **settings, **conninfo_to_dict(address)}
    try:
        made = psycopg.connect(make_conninfo(**parameters), autocommit=True)
    except psycopg.Error as error:
        reason = _words(error)
        raise BoardRefused(place, _kind_of(reason), reason) from None
    if (version := made.info.server_version // 10_000) < LEAST_SERVER:
        made.close()
        raise BoardRefused(place, "release", f"it is PostgreSQL {version}")
    return made


def name_of(address: str) -> str:
    """What people know a database by: its name and host."""
    found = conninfo_to_dict(address)
    name, host = found.get("dbname"), found.get("host") or found.get("hostaddr")
    return f"the database {name or 'of this user'}" + (f" at {host}" if host else "")


def is_made(connection: Connection) -> bool:
    """Whether a board has its tables there."""
    found = connection.execute("SELECT to_regclass('quorate.board') IS NOT NULL").fetchone()
    return bool(found and found[0])


def make_tables(connection: Connection, place: str, federation: bytes) -> None:
    """Make a board's tables where there are none, and check whose they are.

    Raises BoardRefused for those of another federation or release, or without the rights.
    """
    with _setup_errors(place), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SETUP_LOCK,))
        if not is_made(connection):
            connection.execute(_TABLES)
            row = "INSERT INTO quorate.board VALUES (true, %s, %s, 0, 0, '')"
            connection.execute(row, (FORMAT, federation))
    check_tables(connection, place, federation)


def check_tables(connection: Connection, place: str, federation: bytes) -> None:
    """Raises BoardRefused unless the tables are this release's, of this federation."""
    with _setup_errors(place):
        connection.execute("SET synchronous_commit TO on")
        connection.execute("SET default_transaction_isolation TO 'read committed'")
        connection.execute(f"SET lock_timeout TO {LOCKED_MS}")
        connection.execute("SET search_path TO quorate")
        found = connection.execute("SELECT format, federation FROM board").fetchone()
    if found is None:
        raise BoardRefused(place, "format", "its tables do not say of which federation they are")
    if found[0] != FORMAT:
        raise BoardRefused(place, "format", f"its tables have format {found[0]}, not {FORMAT}")
    if found[1] != federation:
        raise BoardRefused(place, "federation", bytes(found[1]).hex()[:16])


@contextlib.contextmanager
def _setup_errors(place: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise BoardRefused(place, "rights", _words(error)) from None
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise BoardRefused(place, "format", _words(error)) from None
    except psycopg.Error as error:
        raise BoardRefused(place, "connection", _words(error)) from None


@contextlib.contextmanager
def database_errors(place: str) -> Iterator[None]:
    """Raises LeadLost, StoreFull and StoreDamaged for what PostgreSQL says."""
    try:
        yield
    except psycopg.Error as error:
        raise _meaning(place, error) from None


def _meaning(place: str, error: psycopg.Error) -> AggregatorError:
    reason, state = _words(error), error.sqlstate or "08000"
    if isinstance(error, psycopg.errors.UniqueViolation):  # no two of ours write one entry
        return LeadLost(place, "another process has written the entry that was to be next")
    if state[:2] in ("08", "57") or state == "25006" or isinstance(error, psycopg.InterfaceError):
        return LeadLost(place, reason)
    if state[:2] in ("40", "53", "54", "55", "58") or state == "42501":
        number = errno.ENOSPC if state == "53100" else 0
        return StoreFull(Path(place), reason, number)
    return StoreDamaged(place, reason)


def _words(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error) or type(error).__name__
    return said.strip().splitlines()[0].strip().rstrip(".")


def _kind_of(reason: str) -> DatabaseFault:
    """Which remedy fits: libpq gives no code for a connection that does not come about."""
    if "password" in reason or "authentication" in reason:
        return "login"
    if "does not exist" in reason:
        return "missing"
    return "rights" if "permission denied" in reason else "connection"
