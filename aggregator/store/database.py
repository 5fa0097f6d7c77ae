"""What a board is kept in: tables of entries, of blobs' names and of a summary, with one writer."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from aggregator.errors import StoreDamaged
from aggregator.store.chain import Chain

NO_END = (1 << 63) - 1  # as a position

Row = tuple[object, object]


class RoundVector(NamedTuple):
    """The blobs that an entry names as a vector in a round of a study."""

    study: str
    number: int
    names: Sequence[bytes]


class BoardTables(Protocol):
    """One board's tables, for who reads them.

    All methods raise StoreFull for what is refused, StoreDamaged for what cannot be what was
    stored, LeadLost once another process may lead, and BoardRefused where nobody needs to lead.
    """

    def rows(self, after: int, last: int) -> Iterator[Row]:
        """Positions and entries, in order, after a position and up to another."""

    def rows_beside(self, after: int, last: int) -> list[Row]:
        """The same at once, in any thread, while something is written."""

    def summary(self) -> object:
        """What was kept last, None if nothing was."""

    def pruned(self) -> list[Row]:
        """By study, the first round whose vectors are not given up."""

    def followed(self) -> Chain | None:
        """The entries that this process has read before, None if it has not."""


class NoTables:
    """Where there is no board."""

    def rows(self, after: int, last: int) -> Iterator[Row]:
        """None."""
        return iter(())

    def rows_beside(self, after: int, last: int) -> list[Row]:
        """None."""
        return []

    def summary(self) -> object:
        """None."""
        return None

    def pruned(self) -> list[Row]:
        """None."""
        return []

    def followed(self) -> Chain | None:
        """None."""
        return None


class BoardDatabase(BoardTables, Protocol):
    """The same for its one writer; what is written is durable when a method returns."""

    def close(self) -> None:
        """Let go of it."""

    def append(
        self, position: int, entry: bytes, names: Sequence[bytes], vector: RoundVector | None = None
    ) -> None:
        """Store the next entry, and that it names these blobs for good, and those until pruned."""

    def keep_summary(self, data: bytes) -> None:
        """Put it in the place of the last one."""

    def add_blob(self, digest: bytes, size: int) -> None:
        """Record that a blob is whole; nothing changes if it is recorded already."""

    def remove_blobs(self, digests: Sequence[bytes]) -> None:
        """Record, at once, that blobs are not here any more."""

    def is_named(self, digest: bytes) -> bool:
        """Whether an entry names a blob."""

    def blob_size(self, digest: bytes) -> object:
        """The recorded size of a blob, None if there is none."""

    def unnamed_blobs(self) -> list[Row]:
        """The blobs that no entry names, with their sizes."""

    def mark_pruned(self, study: str, before: int) -> None:
        """Give up the vectors of a study's rounds before that one."""

    def prune(self, limit: int) -> tuple[list[object], bool]:
        """Forget so many names of vectors that are given up; whether there may be more.

        Returns those of blobs that nothing else names, whose rows are gone.
        """


def in_order(rows: Iterable[Row], after: int) -> Iterator[bytes]:
    """The entries of rows that go on without a gap; raises StoreDamaged at the first that fails."""
    try:
        for expected, (position, entry) in enumerate(rows, start=after + 1):
            if position != expected:
                raise StoreDamaged(f"entry {expected}", "it is missing", expected)
            if not isinstance(entry, bytes):
                raise StoreDamaged(f"entry {expected}", "it is not bytes", expected)
            yield entry
    finally:
        if isinstance(rows, Generator):  # while what it reads from is open
            rows.close()
