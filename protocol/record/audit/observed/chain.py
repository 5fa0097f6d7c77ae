"""The chain of entries as an auditor reads it: from the manifest's head back to the first."""

from dataclasses import dataclass, field

from protocol.board import MAX_ENTRY_BYTES, Entry, Head, Post, decode_entry, entry_hash
from protocol.encoding import decode
from protocol.errors import Malformed
from protocol.messages import MAX_POST_BYTES
from protocol.record import RecordFiles, entry_path, read_entries


@dataclass
class Chain:
    """The entries' hashes from the first to the last, as far as they hang together.

    broken: what is amiss with the first entry, seen from the head, that is not there or not what
    the one after it names.
    """

    files: RecordFiles
    hashes: list[bytes] = field(default_factory=list)
    previous: bytes = b""  # what the first entry follows
    broken: Malformed | None = None
    broken_at: int = 0

    @classmethod
    def read(cls, files: RecordFiles, head: Head) -> "Chain":
        """Down from this head; only hashes are kept."""
        chain = cls(files)
        try:
            for entry in read_entries(files, head):
                chain.hashes.append(head.hash if not chain.hashes else chain.previous)
                chain.previous = entry.previous
        except Malformed as error:
            chain.broken, chain.broken_at = error, head.position - len(chain.hashes)
        chain.hashes.reverse()
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


def unverified(entry: Entry) -> Post | None:
    """The post in an entry, taken at its word; None if it does not read."""
    try:
        return decode(entry.post.post, Post, "post", MAX_POST_BYTES)
    except Malformed:
        return None
