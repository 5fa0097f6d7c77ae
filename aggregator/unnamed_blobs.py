"""Blobs that no post names yet: whose they are, how much each member has of them, since when.

A blob goes to the disk before the post that names it. Until then it is on its senders' account, and
it is kept for them for a while only. Nothing here is stored: after a restart a blob's senders are
unknown, and it is nobody's until it is offered again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from protocol.messages import MAX_ATTACHMENTS, MAX_CHUNKS

SERVICE = 0  # the aggregator's own, which a post of its own will name
NOBODY = -1  # found when the service started

CLEAN_UP_SECONDS = 3_600  # after a member's last upload, what it has not named is let go of
# In an hour a member may upload so many times what its largest post can need, beside what it names.
UPLOADS_AN_HOUR = 8
_HOUR_MS = 3_600_000
BLOCK = (
    4_096  # a blob counts as so many bytes at least: its file, its row, and the work to delete it
)
# However small: two posts' worth, each with as many chunks and attachments as a post can have.
MOST_BLOBS = 2 * (MAX_CHUNKS + MAX_ATTACHMENTS)


def charge(size: int) -> int:
    """What a blob, or the first chunk of one, counts for on an account."""
    return max(size, BLOCK)


class UnnamedBlobs:
    """The whole blobs on each account, oldest first; a blob may be on several."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._held: dict[int, OrderedDict[bytes, int]] = {}
        self._bytes: dict[int, int] = {}  # charged on each account
        self._owners: dict[bytes, set[int]] = {}
        self._active_ms: dict[int, int] = {}
        self._spent: dict[int, tuple[int, int]] = {}  # since when, and how many bytes

    def claim(self, owner: int, digest: bytes, size: int) -> None:
        """Put a blob on an account, as its newest; it is no longer nobody's."""
        if owner != NOBODY:
            self._let_go(NOBODY, digest)
        held = self._held.setdefault(owner, OrderedDict())
        self._bytes[owner] = self.bytes_of(owner) + charge(size) - held.get(digest, 0)
        held[digest] = charge(size)
        held.move_to_end(digest)
        self._owners.setdefault(digest, set()).add(owner)
        self.touch(owner)

    def touch(self, owner: int) -> None:
        """Its owner is at work."""
        self._active_ms[owner] = self._now_ms()

    def name(self, digest: bytes) -> None:
        """A post names the blob: it is on no account any more, nor what its upload cost."""
        for owner in self._owners.pop(digest, set()):
            size = self._held[owner].pop(digest)
            self._bytes[owner] -= size
            since, spent = self._spent.get(owner, (0, 0))
            self._spent[owner] = since, max(0, spent - size)

    def drop_oldest(self, owner: int) -> bytes | None:
        """Let go of an account's oldest blob; its name if it is on no other account."""
        held = self._held.get(owner)
        return self._let_go(owner, next(iter(held))) if held else None

    def drop_idle(self) -> list[bytes]:
        """Let go of the accounts of who has been idle for long; the blobs on no other account.

        The service's own are kept: it names them when it can.
        """
        idle = [o for o in self._held if o != SERVICE and self.is_idle(o)]
        found = [self._let_go(owner, name) for owner in idle for name in list(self._held[owner])]
        return [name for name in found if name is not None]

    def is_idle(self, owner: int) -> bool:
        """Whether its last upload is long ago; who was never seen is at work from now on."""
        since = self._active_ms.setdefault(owner, self._now_ms())
        return self._now_ms() >= since + 1000 * CLEAN_UP_SECONDS

    def bytes_of(self, owner: int) -> int:
        """How much is on an account; every blob counts as a block at least."""
        return self._bytes.get(owner, 0)

    def count_of(self, owner: int) -> int:
        """How many blobs are on an account."""
        return len(self._held.get(owner, ()))

    def make_room(self, owner: int, limit: int) -> list[bytes]:
        """Let go of an account's oldest until it is within ``limit`` bytes and ``MOST_BLOBS``.

        The names of those that are on no other account.
        """
        found = list[bytes]()
        while self.count_of(owner) and (
            self.bytes_of(owner) > limit or self.count_of(owner) > MOST_BLOBS
        ):
            if name := self.drop_oldest(owner):
                found.append(name)
        return found

    def may_spend(self, owner: int, size: int, limit: int) -> bool:
        """Whether a member may upload so many bytes more within this hour; then they count.

        limit: bytes that one of its posts may need.
        """
        now_ms = self._now_ms()
        since, spent = self._spent.get(owner, (now_ms, 0))
        if not since <= now_ms < since + _HOUR_MS:
            since, spent = now_ms, 0
        if spent + size > UPLOADS_AN_HOUR * limit:
            return False
        self._spent[owner] = since, spent + size
        return True

    def _let_go(self, owner: int, digest: bytes) -> bytes | None:
        if digest not in self._held.get(owner, ()):
            return None
        self._bytes[owner] -= self._held[owner].pop(digest)
        owners = self._owners[digest]
        owners.discard(owner)
        if owners:
            return None
        del self._owners[digest]
        return digest
