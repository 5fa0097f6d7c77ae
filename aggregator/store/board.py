"""The board and the names of its blobs: one writer, durable at each commit, in any database.

The chain of entries cannot show that its end is missing (a database restored from an older copy,
a write-ahead log cut short), so each head is also noted in a file beside the database.
"""

from collections.abc import Sequence
from pathlib import Path

from aggregator.errors import StoreDamaged, StoreFull
from aggregator.store.database import BoardDatabase, RoundVector
from aggregator.store.heads import HeadLog
from aggregator.store.sqlite import SqliteBoard
from aggregator.store.stored import HEADS, StoredBoard
from protocol.board import Head


class BoardStore(StoredBoard):
    """Entries by position, and the blobs that are whole; what is written survives a power cut."""

    def __init__(self, folder: Path, database: BoardDatabase | None = None) -> None:
        """folder: where heads are noted. database: closed with the store; by default one there."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._heads = HeadLog(folder / HEADS)
        except OSError as error:
            raise StoreFull.of(folder, error) from None
        self._database = database or SqliteBoard(folder)
        try:
            super().__init__(self._database, self._heads.last)
        except BaseException:
            self._database.close()
            raise
        self._may_prune = bool(self.pruned)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def keep_summary(self, data: bytes) -> None:
        """Put it in the place of the last one; durable when this returns."""
        self._database.keep_summary(data)

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
        self._chain.add(head)
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
