"""Entries that follow one another, known by their hashes alone."""

from aggregator.errors import StoreDamaged
from protocol.board import Head, begins_entry, entry_hash

_HASH_BYTES = 32


class Chain:
    """The hashes of a board's entries, from the first on."""

    def __init__(self, begin: Head) -> None:
        """begin: the head of the board without entries."""
        self.head = begin
        self._hashes = bytearray()

    def take(self, data: bytes) -> None:
        """The next entry; raises StoreDamaged for one that does not follow the one before.

        Nothing is decoded: all the rest of an entry is what it was if the last head is.
        """
        position = self.head.position + 1
        if not begins_entry(data, self.head):
            reason = "it does not follow the entry before"
            raise StoreDamaged(f"entry {position}", reason, position)
        self.add(Head(position, entry_hash(data)))

    def add(self, head: Head) -> None:
        """What ``take`` makes of an entry that is known to be the next one."""
        self.head = head
        self._hashes += head.hash

    def hash_at(self, position: int) -> bytes | None:
        """Of the entry at a position, None beyond the last one and before the first."""
        end = _HASH_BYTES * position
        is_there = 0 < end <= len(self._hashes)
        return bytes(self._hashes[end - _HASH_BYTES : end]) if is_there else None
