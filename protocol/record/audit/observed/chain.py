"""The chain of entries as an auditor reads it: from the manifest's head back to the first.

Or back to a head that was verified before. What was before that is found again by a few entries of
which the hashes were noted: each names the one before it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from protocol.board import MAX_ENTRY_BYTES, BoardState, Entry, Head, Post, decode_entry, entry_hash
from protocol.encoding import decode
from protocol.errors import Malformed
from protocol.messages import MAX_POST_BYTES
from protocol.record import RecordFiles, Verified, entry_path, read_entries

Places = Sequence[tuple[int, bytes]]  # entries with their hashes, ascending


@dataclass
class Chain:
    """The entries' hashes from the first to the last, as far as they hang together.

    before: so many entries were verified before, and are not among them; places: of those.
    broken: what is amiss with the first entry, seen from the head, that is not there or not what
    the one after it names.
    """

    files: RecordFiles
    hashes: list[bytes] = field(default_factory=list)
    previous: bytes = b""  # what the first entry follows
    before: int = 0
    places: Places = ()
    broken: Malformed | None = None
    broken_at: int = 0

    @classmethod
    def read(cls, files: RecordFiles, head: Head, verified: Verified | None = None) -> "Chain":
        """Down from this head; only hashes are kept."""
        chain = cls(files, previous=head.hash)
        position = head.position
        known = verified.head if verified else Head(0, b"")
        try:
            entries = read_entries(files, head)
            while position and (position, chain.previous) != known:
                entry = next(entries)
                chain.hashes.append(chain.previous)
                position, chain.previous = position - 1, entry.previous
        except Malformed as error:
            chain.broken, chain.broken_at = error, position
        chain.hashes.reverse()
        if verified and position:
            chain.before, chain.places = position, verified.places
        return chain

    def entry(self, expected: bytes) -> Entry:
        """An entry of the chain; raises Malformed if its file is not as the chain was read."""
        path = entry_path(expected)
        data = self.files.read(path, MAX_ENTRY_BYTES)
        if data is None:
            raise Malformed(path, "it is missing")
        if entry_hash(data) != expected:
            raise Malformed(path, "it has not the hash that its name gives")
        return decode_entry(data)

    def entries(self, first: int, last: int) -> Iterator[Entry]:
        """The entries from one position to another; raises Malformed."""
        if first <= self.before:
            yield from self._noted(first, min(last, self.before))
        here = slice(max(first - 1 - self.before, 0), max(last - self.before, 0))
        yield from map(self.entry, self.hashes[here])

    def _noted(self, first: int, last: int) -> Sequence[Entry]:
        """Those of before, back from the next one whose hash is known."""
        found = list[Entry]()
        at, expected = self.places[bisect_left(self.places, (last, b""))]
        while at >= first:
            entry = self.entry(expected)
            if entry.position != at:
                raise Malformed(entry_path(expected), f"it is not entry {at}, as was noted")
            if at <= last:
                found.append(entry)
            at, expected = at - 1, entry.previous
        return found[::-1]


def places_of(state: BoardState) -> list[int]:
    """The entries whose hashes are to be noted, so that those that a board wants are found."""
    ends = {last for one in state.resting for _, last in one.stretches}
    ends.update(state.awake, (one.position for one in state.last), (state.position,))
    return sorted(ends)


def unverified(entry: Entry) -> Post | None:
    """The post in an entry, taken at its word; None if it does not read."""
    try:
        return decode(entry.post.post, Post, "post", MAX_POST_BYTES)
    except Malformed:
        return None
