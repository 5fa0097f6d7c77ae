"""The board and the names of its blobs: one writer, durable at each commit, in any database.

The chain of entries cannot show that its end is missing (a database restored from an older copy,
a write-ahead log cut short), so each head is also noted in a file beside the database.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from aggregator.errors import StoreDamaged, StoreFull
from aggregator.store.database import NO_END, BoardDatabase, RoundVector, Row, in_order
from aggregator.store.durable import disk_errors
from aggregator.store.heads import HeadLog, last_noted
from aggregator.store.sqlite import SqliteBoard
from protocol.board import Head, begins_entry, entry_hash

_HASH_BYTES = 32
_FRAMING = 8  # bytes around an entry in a frame, at most
_PAGE = 16  # entries that are read at once
_HEADS = "heads"


class BoardStore:
    """Entries by position, and the blobs that are whole; what is written survives a power cut."""

    def __init__(self, folder: Path, database: BoardDatabase | None = None) -> None:
        """folder: where heads are noted. database: closed with the store; by default one there."""
        self._hashes = bytearray()  # of all entries that are known to be whole
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._heads = HeadLog(folder / _HEADS)
        except OSError as error:
            raise StoreFull.of(folder, error) from None
        self._database = database or SqliteBoard(folder)
        try:
            self.pruned = pruned_in(self._database.pruned())  # by study, the first round kept
        except BaseException:
            self._database.close()
            raise
        self._may_prune = bool(self.pruned)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def entries(self, after: int = 0) -> Iterator[bytes]:
        """All entries after a position, in order; raises StoreDamaged where one is missing."""
        return in_order(self._database.rows(after, NO_END), after)

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
        page = list(in_order(self._database.rows_beside(first - 1, last), first - 1))
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
        found = self._database.summary()
        return found if isinstance(found, bytes) else b""

    def keep_summary(self, data: bytes) -> None:
        """Put it in the place of the last one; durable when this returns."""
        self._database.keep_summary(data)

    @property
    def last_noted(self) -> Head | None:
        """The head noted beside the database when this store was opened."""
        return self._heads.last

    def append(
        self,
        head: Head,
        entry: bytes,
        names: Sequence[bytes] = (),
        vector: RoundVector | None = None,
    ) -> None:
        """Store the entry that makes ``head`` the board's head; durable when this returns.

        names: the blobs that it names for good. vector: those that may be pruned later.
        """
        self._database.append(head.position, entry, names, vector)
        self._hashes += head.hash
        if vector and vector.number < self.pruned_before(vector.study):
            self._may_prune = True  # it came late
        self._heads.note(head)

    def add_blob(self, digest: bytes, size: int) -> None:
        """Record that a blob is whole; durable when this returns."""
        self._database.add_blob(digest, size)

    def is_named(self, digest: bytes) -> bool:
        """Whether an entry names a blob."""
        return self._database.is_named(digest)

    def unnamed_blobs(self) -> list[tuple[bytes, int]]:
        """The whole blobs that no entry names, with their sizes."""
        found = list[tuple[bytes, int]]()
        for digest, size in self._database.unnamed_blobs():
            if not (isinstance(digest, bytes) and isinstance(size, int)):
                raise StoreDamaged("a row of a blob", "it is not a name with a size")
            found.append((digest, size))
        return found

    def remove_blobs(self, digests: Sequence[bytes]) -> None:
        """Record, at once, that blobs are not here any more; durable when this returns."""
        if digests:
            self._database.remove_blobs(digests)

    def blob_size(self, digest: bytes) -> int | None:
        """The size of a whole blob, None if it is unknown."""
        found = self._database.blob_size(digest)
        if found is not None and not isinstance(found, int):
            raise StoreDamaged(f"blob {digest.hex()}", "its recorded size is no number")
        return found

    # ── pruned vectors ──

    def pruned_before(self, study: str) -> int:
        """The first round of a study whose vectors are not given up; 1 at first."""
        return self.pruned.get(study, 1)

    def mark_pruned(self, study: str, before: int) -> None:
        """Give up the vectors of a study's rounds before that one; durable when this returns."""
        self._database.mark_pruned(study, before)
        self.pruned[study] = before
        self._may_prune = True

    def prune(self, limit: int) -> tuple[list[bytes], bool]:
        """Forget some of the names of vectors that are given up; durable when this returns.

        Returns those of blobs that nothing else names, whose rows are gone, and whether more may be
        to do. limit: names at a time.
        """
        if not self._may_prune:
            return [], False
        found, self._may_prune = self._database.prune(limit)
        gone = [name for name in found if isinstance(name, bytes)]
        if len(gone) < len(found):
            raise StoreDamaged("a row of a blob", "it is not a name")
        return gone, self._may_prune


def pruned_in(rows: Iterable[Row]) -> dict[str, int]:
    """By study, the first round whose vectors are not given up; raises StoreDamaged."""
    found = dict[str, int]()
    for study, before in rows:
        if not (isinstance(study, str) and isinstance(before, int)):
            raise StoreDamaged("a row of pruned vectors", "it is not a study with a round")
        found[study] = before
    return found


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


def stored_head(folder: Path) -> Head | None:
    """The head noted in such a folder; to be asked for before its entries. Raises StoreFull."""
    with disk_errors(folder / _HEADS):
        return last_noted(folder / _HEADS)
