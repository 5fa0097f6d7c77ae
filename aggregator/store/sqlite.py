"""A board in a file of SQLite: what ``serve`` has where nothing else is asked for."""

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from aggregator.errors import BoardRefused, StoreDamaged, StoreFull
from aggregator.store.chain import Chain
from aggregator.store.database import BoardTables, NoTables, RoundVector, Row
from aggregator.store.durable import disk_errors

_NAME = "board.sqlite"
_FORMAT = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE entries (position INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE TABLE blobs (
  digest BLOB PRIMARY KEY, size INTEGER NOT NULL, named INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE vectors (
  study TEXT NOT NULL, round INTEGER NOT NULL, digest BLOB NOT NULL,
  PRIMARY KEY (study, round, digest)
) WITHOUT ROWID;
CREATE INDEX vectors_by_name ON vectors (digest);
CREATE TABLE pruned (study TEXT PRIMARY KEY, before INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE summary (number INTEGER PRIMARY KEY, summary BLOB NOT NULL);
CREATE INDEX unnamed ON blobs (digest) WHERE NOT named;
PRAGMA user_version = {_FORMAT};
COMMIT;
"""
_GIVEN_UP = """
SELECT v.study, v.round, v.digest FROM pruned AS p
JOIN vectors AS v ON v.study = p.study AND v.round < p.before LIMIT ?
"""
# A vector's blob may be named in a round that is kept, too, or in a place that stays.
_IN_NO_OTHER = """
SELECT digest FROM blobs AS b WHERE digest = ? AND named = 1
AND NOT EXISTS (SELECT 1 FROM vectors AS v WHERE v.digest = b.digest)
"""
_AS_VECTOR, _FOR_GOOD = 1, 2  # how an entry names a blob
# What a disk, a lock or a permission does; everything else says that the file is not what it was.
_REFUSALS = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
}  # fmt: skip

_UNWRITABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
# A full disk has no room for the index of the log of writes, which readers share with a writer.
_NO_INDEX = {
    sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP,
}  # fmt: skip
_NUMBERS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES, sqlite3.SQLITE_IOERR: errno.EIO,
}  # fmt: skip


class SqliteBoard:
    """The tables in a folder; whoever opens them holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        """Raises BoardRefused for the tables of another release, StoreDamaged and StoreFull."""
        self._path = folder / _NAME
        self._database = self._connected()
        try:
            with _database_errors(self._path):
                is_made = _is_made(self._database, self._path)
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=FULL")
                if not is_made:
                    self._database.executescript(_SCHEMA)
            self._reader = self._connected()  # for who reads while something is written
            self._reading = Lock()
        except BaseException:
            self._database.close()
            raise

    def _connected(self) -> sqlite3.Connection:
        with _database_errors(self._path):
            return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()
        self._database.close()

    def rows(self, after: int, last: int) -> Iterator[Row]:
        """Positions and entries, in order, after a position and up to another."""
        return _rows(self._database, self._path, after, last)

    def rows_beside(self, after: int, last: int) -> list[Row]:
        """The same at once, one thread after the other.

        While somebody reads, all that is asked for over one connection is as it was at that moment.
        """
        with self._reading:
            return list(_rows(self._reader, self._path, after, last))

    def append(
        self, position: int, entry: bytes, names: Sequence[bytes], vector: RoundVector | None = None
    ) -> None:
        """Store the next entry, and that it names these blobs for good, and those until pruned."""
        self._write("INSERT INTO entries VALUES (?, ?)", (position, entry), names, vector)

    def summary(self) -> object:
        """What was kept last, None if nothing was."""
        return _summary(self._database, self._path)

    def keep_summary(self, data: bytes) -> None:
        """Put it in the place of the last one."""
        self._write("INSERT OR REPLACE INTO summary VALUES (1, ?)", (data,))

    def add_blob(self, digest: bytes, size: int) -> None:
        """Record that a blob is whole; nothing changes if it is recorded already."""
        self._write("INSERT OR IGNORE INTO blobs VALUES (?, ?, 0)", (digest, size))

    def remove_blobs(self, digests: Sequence[bytes]) -> None:
        """Record, at once, that blobs are not here any more."""
        with self._transaction():
            rows = [(digest,) for digest in digests]
            self._database.executemany("DELETE FROM blobs WHERE digest = ?", rows)

    def is_named(self, digest: bytes) -> bool:
        """Whether an entry names a blob."""
        return self._value("SELECT 1 FROM blobs WHERE digest = ? AND named", digest) is not None

    def blob_size(self, digest: bytes) -> object:
        """The recorded size of a blob, None if there is none."""
        return self._value("SELECT size FROM blobs WHERE digest = ?", digest)

    def unnamed_blobs(self) -> list[Row]:
        """The blobs that no entry names, with their sizes."""
        with _database_errors(self._path):
            query = "SELECT digest, size FROM blobs INDEXED BY unnamed WHERE NOT named"
            return self._database.execute(query).fetchall()

    def pruned(self) -> list[Row]:
        """By study, the first round whose vectors are not given up."""
        return _pruned(self._database, self._path)

    def followed(self) -> Chain | None:
        """None: it is read when it is opened."""
        return None

    def mark_pruned(self, study: str, before: int) -> None:
        """Give up the vectors of a study's rounds before that one."""
        self._write("INSERT OR REPLACE INTO pruned VALUES (?, ?)", (study, before))

    def prune(self, limit: int) -> tuple[list[object], bool]:
        """Forget so many names of vectors that are given up; whether there may be more.

        Returns those of blobs that nothing else names, whose rows are gone.
        """
        gone = list[object]()
        with self._transaction():
            rows = self._database.execute(_GIVEN_UP, (limit,)).fetchall()
            delete = "DELETE FROM vectors WHERE study = ? AND round = ? AND digest = ?"
            self._database.executemany(delete, rows)
            for digest in {digest for _, _, digest in rows}:
                gone += [name for (name,) in self._database.execute(_IN_NO_OTHER, (digest,))]
            names = [(digest,) for digest in gone]
            self._database.executemany("DELETE FROM blobs WHERE digest = ?", names)
        return gone, len(rows) == limit

    def _value(self, query: str, *values: object) -> object:
        with _database_errors(self._path):
            row = self._database.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _write(
        self,
        statement: str,
        values: tuple[object, ...],
        names: Sequence[bytes] = (),
        vector: RoundVector | None = None,
    ) -> None:
        study, number, chunks = vector or RoundVector("", 0, ())
        with self._transaction():
            self._database.execute(statement, values)
            named = [(_FOR_GOOD, name) for name in names] + [(_AS_VECTOR, name) for name in chunks]
            update = "UPDATE blobs SET named = max(named, ?) WHERE digest = ?"
            self._database.executemany(update, named)
            rows = [(study, number, name) for name in chunks]
            self._database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _database_errors(self._path):
            self._database.execute("BEGIN")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has ended it already
                    self._database.execute("ROLLBACK")
                raise


class _Tables:
    """A board's tables as they are when they are first read from."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database, self._path = database, path
        with _database_errors(path):
            database.execute("BEGIN")

    def rows(self, after: int, last: int) -> Iterator[Row]:
        """Positions and entries, in order, after a position and up to another."""
        return _rows(self._database, self._path, after, last)

    def rows_beside(self, after: int, last: int) -> list[Row]:
        """The same at once."""
        return list(self.rows(after, last))

    def summary(self) -> object:
        """What was kept last, None if nothing was."""
        return _summary(self._database, self._path)

    def pruned(self) -> list[Row]:
        """By study, the first round whose vectors are not given up."""
        return _pruned(self._database, self._path)

    def followed(self) -> Chain | None:
        """None: it is read when it is opened."""
        return None


@contextlib.contextmanager
def to_read(folder: Path) -> Iterator[BoardTables]:
    """Reads the board in a folder that another process may be serving; nothing if it has none.

    Raises BoardRefused for another release's, StoreDamaged, StoreFull, also while it is read.
    """
    path = folder / _NAME
    with _opened(path) as database:
        yield _Tables(database, path) if database else NoTables()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A database that another process may be writing to; None if there is none yet."""
    with disk_errors(path):
        exists = path.exists()
    with contextlib.ExitStack() as opened, _database_errors(path):
        if not exists:
            yield None
            return
        try:
            database = opened.enter_context(_to_read(path))
            is_made = _is_made(database, path)
        except sqlite3.OperationalError as error:
            has_index = getattr(error, "sqlite_errorcode", 0) not in _NO_INDEX
            if has_index and _code(error) not in _UNWRITABLE:
                raise
            database = opened.enter_context(_copied(path))
            is_made = _is_made(database, path)
        yield database if is_made else None


def _is_made(database: sqlite3.Connection, path: Path) -> bool:
    """Whether there are tables yet: a service may be making them right now, all at once.

    Raises BoardRefused for those of another release.
    """
    if database.execute("PRAGMA table_info(entries)").fetchone() is None:
        return False
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found != _FORMAT:
        raise BoardRefused(str(path), "format", f"its tables have format {found}, not {_FORMAT}")
    return True


@contextlib.contextmanager
def _to_read(path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(database):
        yield database


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection]:
    """The same in a temporary folder: SQLite reads no log of writes where it cannot write."""
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        with disk_errors(path):
            for name in (path.name, f"{path.name}-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(path.with_name(name), Path(folder) / name)
        with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as database:
            yield database


def _rows(database: sqlite3.Connection, path: Path, after: int, last: int) -> Iterator[Row]:
    with _database_errors(path):
        query = "SELECT position, entry FROM entries WHERE position > ? AND position <= ?"
        yield from database.execute(query + " ORDER BY position", (after, last))


def _summary(database: sqlite3.Connection, path: Path) -> object:
    with _database_errors(path):
        row = database.execute("SELECT summary FROM summary").fetchone()
    return None if row is None else row[0]


def _pruned(database: sqlite3.Connection, path: Path) -> list[Row]:
    with _database_errors(path):
        return database.execute("SELECT study, before FROM pruned").fetchall()


def _code(error: sqlite3.Error) -> int:
    """What SQLite said; an error of Python about what it read, as of no UTF-8, has no code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


@contextlib.contextmanager
def _database_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = _code(error)
        if code in _REFUSALS:
            raise StoreFull(path, str(error), _NUMBERS.get(code, 0)) from None
        raise StoreDamaged(path.name, str(error)) from None
    except UnicodeDecodeError:  # of a name that SQLite quotes to say what is wrong
        raise StoreDamaged(path.name, "the database disk image is malformed") from None
    except MemoryError:  # for SQLITE_NOMEM; the lengths in a damaged file may ask for anything
        raise StoreFull(path, "SQLite wants more memory for it than there is") from None
