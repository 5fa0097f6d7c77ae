"""The board and the names of its blobs on disk: SQLite, one writer, durable at each commit.

The chain of entries cannot show that its end is missing (a database restored from an older copy,
a write-ahead log cut short), so each head is also noted in a file beside the database.
"""

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from threading import Lock

from aggregator.errors import StoreDamaged, StoreFull
from aggregator.store.durable import disk_errors
from aggregator.store.heads import HeadLog, last_noted
from protocol.board import Head, begins_entry, entry_hash

_HASH_BYTES = 32
_FRAMING = 8  # bytes around an entry in a frame, at most
_PAGE = 16  # entries that are read at once
_NO_END = (1 << 63) - 1  # as a position
_NAME, _HEADS = "board.sqlite", "heads"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (
  digest BLOB PRIMARY KEY, size INTEGER NOT NULL, named INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS summary (number INTEGER PRIMARY KEY, summary BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS unnamed ON blobs (digest) WHERE NOT named;
"""
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


class BoardStore:
    """Entries by position, and the blobs that are whole; what is written survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._hashes = bytearray()  # of all entries that are known to be whole
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._heads = HeadLog(folder / _HEADS)
        except OSError as error:
            raise StoreFull.of(folder, error) from None
        self._database = self._connected()
        try:
            with _database_errors(self._path):
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=FULL")
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

    def entries(self, after: int = 0) -> Iterator[bytes]:
        """All entries after a position, in order; raises StoreDamaged where one is missing."""
        yield from _entries(self._database, self._path, after)

    def check_chain(self, head: Head) -> None:
        """Read all entries; ``head``: of the board without any.

        Raises StoreDamaged at the first entry that does not follow the one before. Nothing is
        decoded: all the rest of an entry is what it was if the last head is.
        """
        self._hashes.clear()
        for data in self.entries():
            position = head.position + 1
            if not begins_entry(data, head):
                reason = "it does not follow the entry before"
                raise StoreDamaged(f"entry {position}", reason, position)
            head = Head(position, entry_hash(data))
            self._hashes += head.hash
        if (noted := self._heads.last) is not None:
            check_end(noted, head, self._hash_at(noted.position))

    def has(self, head: Head) -> bool:
        """Whether the board had this head."""
        return self._hash_at(head.position) == head.hash

    def _hash_at(self, position: int) -> bytes | None:
        end = _HASH_BYTES * position
        return bytes(self._hashes[end - _HASH_BYTES : end]) if end <= len(self._hashes) else None

    def between(self, first: int, last: int) -> Iterator[bytes]:
        """Entries once more, from one position to another; in any thread, beside what is written.

        Raises StoreDamaged for one that is not as it was.
        """
        while first <= last:
            page = self._page(first, min(last, first + _PAGE - 1))
            for position, data in enumerate(page, start=first):
                if entry_hash(data) != self._hash_at(position):
                    reason = "it is not the one that was there"
                    raise StoreDamaged(f"entry {position}", reason, position)
                yield data
            first += len(page)

    def _page(self, first: int, last: int) -> list[bytes]:
        """Entries at once, one thread after the other.

        While somebody reads, all that is asked for over one connection is as it was at that moment.
        """
        with self._reading:
            page = list(_entries(self._reader, self._path, first - 1, last))
        if len(page) <= last - first:
            position = first + len(page)
            raise StoreDamaged(f"entry {position}", "it is missing", position)
        return page

    def entries_after(self, position: int, last: int, limit: int) -> list[bytes]:
        """The next entries, as many as have ``limit`` bytes together, but one if there is any.

        last: beyond which none is given. As ``between``.
        """
        size = 0

        def fits(data: bytes) -> bool:
            nonlocal size
            is_first, size = not size, size + len(data) + _FRAMING
            return is_first or size <= limit

        return list(takewhile(fits, self.between(position + 1, last)))

    @property
    def summary(self) -> bytes:
        """What was kept last, nothing if nothing was; raises StoreDamaged."""
        with _database_errors(self._path):
            row = self._database.execute("SELECT summary FROM summary").fetchone()
        return row[0] if row and isinstance(row[0], bytes) else b""

    def keep_summary(self, data: bytes) -> None:
        """Put it in the place of the last one; durable when this returns."""
        self._write("INSERT OR REPLACE INTO summary VALUES (1, ?)", (data,))

    @property
    def last_noted(self) -> Head | None:
        """The head noted beside the database when this store was opened."""
        return self._heads.last

    def append(self, head: Head, entry: bytes, names: Sequence[bytes] = ()) -> None:
        """Store the entry that makes ``head`` the board's head; durable when this returns.

        names: the blobs that it names.
        """
        self._write("INSERT INTO entries VALUES (?, ?)", (head.position, entry), names)
        self._hashes += head.hash
        self._heads.note(head)

    def add_blob(self, digest: bytes, size: int) -> None:
        """Record that a blob is whole; durable when this returns."""
        self._write("INSERT OR IGNORE INTO blobs VALUES (?, ?, 0)", (digest, size))

    def is_named(self, digest: bytes) -> bool:
        """Whether an entry names a blob."""
        with _database_errors(self._path):
            query = "SELECT 1 FROM blobs WHERE digest = ? AND named"
            return self._database.execute(query, (digest,)).fetchone() is not None

    def unnamed_blobs(self) -> list[tuple[bytes, int]]:
        """The whole blobs that no entry names, with their sizes."""
        with _database_errors(self._path):
            query = "SELECT digest, size FROM blobs INDEXED BY unnamed WHERE NOT named"
            rows: list[tuple[bytes, int]] = self._database.execute(query).fetchall()
        for digest, size in rows:
            if not (isinstance(digest, bytes) and isinstance(size, int)):
                raise StoreDamaged("a row of a blob", "it is not a name with a size")
        return rows

    def remove_blobs(self, digests: Sequence[bytes]) -> None:
        """Record, at once, that blobs are not here any more; durable when this returns."""
        if not digests:
            return
        with self._transaction():
            rows = [(digest,) for digest in digests]
            self._database.executemany("DELETE FROM blobs WHERE digest = ?", rows)

    def blob_size(self, digest: bytes) -> int | None:
        """The size of a whole blob, None if it is unknown."""
        with _database_errors(self._path):
            row = self._database.execute("SELECT size FROM blobs WHERE digest = ?", (digest,))
            found = row.fetchone()
        if found is not None and not isinstance(found[0], int):
            raise StoreDamaged(f"blob {digest.hex()}", "its recorded size is no number")
        return None if found is None else found[0]

    def _write(
        self, statement: str, values: tuple[object, ...], names: Sequence[bytes] = ()
    ) -> None:
        with self._transaction():
            self._database.execute(statement, values)
            rows = [(name,) for name in names]
            self._database.executemany("UPDATE blobs SET named = 1 WHERE digest = ?", rows)

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


def check_end(noted: Head, head: Head, noted_hash: bytes | None) -> None:
    """Raises StoreDamaged if a board that ends at ``head`` once went beyond it, or another way.

    ``noted``: a head that it has had; ``noted_hash``: what it now has at that position.
    """
    if noted.position > head.position:
        missing = head.position + 1
        reason = f"it is missing, though the board once went on to entry {noted.position}"
        raise StoreDamaged(f"entry {missing}", reason, missing)
    if noted_hash != noted.hash:
        reason = "it is not the one that was there before"
        raise StoreDamaged(f"entry {noted.position}", reason, noted.position)


def stored_entries(folder: Path) -> list[bytes]:
    """The entries in a folder that another process may be serving; none if there is no board.

    Raises StoreDamaged, StoreFull.
    """
    path = folder / _NAME
    with disk_errors(path):
        if not path.exists():
            return []
    with contextlib.ExitStack() as opened, _database_errors(path):
        try:
            database = opened.enter_context(_to_read(path))
            is_made = _is_made(database)
        except sqlite3.OperationalError as error:
            has_index = getattr(error, "sqlite_errorcode", 0) not in _NO_INDEX
            if has_index and _code(error) not in _UNWRITABLE:
                raise
            database = opened.enter_context(_copied(path))
            is_made = _is_made(database)
        return list(_entries(database, path)) if is_made else []


def _is_made(database: sqlite3.Connection) -> bool:
    """Whether there is a table yet: a service may be making it right now."""
    return database.execute("PRAGMA table_info(entries)").fetchone() is not None


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


def _entries(
    database: sqlite3.Connection, path: Path, after: int = 0, last: int = _NO_END
) -> Iterator[bytes]:
    with _database_errors(path):
        query = "SELECT position, entry FROM entries WHERE position > ? AND position <= ?"
        rows = database.execute(query + " ORDER BY position", (after, last))
        for expected, (position, entry) in enumerate(rows, start=after + 1):
            if position != expected:
                raise StoreDamaged(f"entry {expected}", "it is missing", expected)
            if not isinstance(entry, bytes):
                raise StoreDamaged(f"entry {expected}", "it is not bytes", expected)
            yield entry


def stored_head(folder: Path) -> Head | None:
    """The head noted in such a folder; to be asked for before its entries. Raises StoreFull."""
    with disk_errors(folder / _HEADS):
        return last_noted(folder / _HEADS)


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
