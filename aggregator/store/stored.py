"""What is stored of a board, for who reads it: entries that follow one another to a noted head."""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from aggregator.errors import StoreDamaged
from aggregator.store.chain import Chain
from aggregator.store.database import NO_END, BoardTables, Row, in_order
from aggregator.store.durable import disk_errors
from aggregator.store.heads import last_noted
from protocol.board import Head, entry_hash

HEADS = "heads"  # a file beside the database
_FRAMING = 8  # bytes around an entry in a frame, at most
_PAGE = 16  # entries that are read at once


class StoredBoard:
    """Entries by position. Nothing is decoded: what an entry was, its hash shows."""

    def __init__(self, tables: BoardTables, noted: Head | None) -> None:
        """noted: the head that was noted last beside the database, before it is read."""
        self._tables, self._noted = tables, noted
        self._chain = tables.followed() or Chain(Head(0, b""))  # of entries that are known
        self.pruned = _pruned_in(tables.pruned())  # by study, the first round kept

    @property
    def last_noted(self) -> Head | None:
        """The head noted beside the database when it was opened."""
        return self._noted

    def entries(self, after: int = 0) -> Iterator[bytes]:
        """All entries after a position, in order; raises StoreDamaged where one is missing."""
        return in_order(self._tables.rows(after, NO_END), after)

    def check_chain(self, head: Head) -> None:
        """Read all entries but those read before; ``head``: of the board without any.

        Raises StoreDamaged at the first entry that does not follow the one before.
        """
        if not self._has_end_of(self._chain):
            self._chain = Chain(head)
        chain = self._chain
        for data in self.entries(chain.head.position):
            chain.take(data)
        if (noted := self.last_noted) is not None:
            _check_end(noted, chain.head, chain.hash_at(noted.position))

    def _has_end_of(self, chain: Chain) -> bool:
        """Whether what was read before is here: a database may have been put back meanwhile."""
        if not (last := chain.head.position):
            return False
        data = next(self.entries(last - 1), b"")
        return entry_hash(data) == chain.head.hash

    def has(self, head: Head) -> bool:
        """Whether the board had this head."""
        return self.hash_at(head.position) == head.hash

    def hash_at(self, position: int) -> bytes | None:
        """Of the entry at a position, None beyond the last one and before the first."""
        return self._chain.hash_at(position)

    def between(self, first: int, last: int) -> Iterator[bytes]:
        """Entries once more, from one position to another; in any thread, beside what is written.

        Raises StoreDamaged for one that is not as it was.
        """
        while first <= last:
            page = self._page(first, min(last, first + _PAGE - 1))
            for position, data in enumerate(page, start=first):
                if entry_hash(data) != self.hash_at(position):
                    reason = "it is not the one that was there"
                    raise StoreDamaged(f"entry {position}", reason, position)
                yield data
            first += len(page)

    def _page(self, first: int, last: int) -> list[bytes]:
        page = list(in_order(self._tables.rows_beside(first - 1, last), first - 1))
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
        found = self._tables.summary()
        return found if isinstance(found, bytes) else b""

    def pruned_before(self, study: str) -> int:
        """The first round of a study whose vectors are not given up; 1 at first."""
        return self.pruned.get(study, 1)


def _pruned_in(rows: Iterable[Row]) -> dict[str, int]:
    found = dict[str, int]()
    for study, before in rows:
        if not (isinstance(study, str) and isinstance(before, int)):
            raise StoreDamaged("a row of pruned vectors", "it is not a study with a round")
        found[study] = before
    return found


def _check_end(noted: Head, head: Head, noted_hash: bytes | None) -> None:
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
    with disk_errors(folder / HEADS):
        return last_noted(folder / HEADS)
