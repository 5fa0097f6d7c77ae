"""Blobs that no post names yet: whose they are, how much each member has of them, since when.

A blob goes to the disk before the post that names it. Until then it is on its senders' account, and
it is kept for them for a while only. Nothing here is stored: after a restart a blob's senders are
unknown, and it is nobody's until it is offered again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from protocol.messages import MAX_ATTACHMENTS, MAX_CHUNKS

SERVICE = 0  # the aggregator's own, which a post of its own will name
NOBODY = -1  # found when the service started

CLEAN_UP_SECONDS = 3_600  # after a member's last upload, what it has not named is let go of
# In an hour a member may upload so many times what its largest post can need, beside what it names.
UPLOADS_AN_HOUR = 8
_HOUR_MS = 3_600_000
# A blob counts as so many bytes at least: its file, its row, and the work to delete it.
BLOCK = 4_096
# However small: two posts' worth, each with as many chunks and attachments as a post can have.
MOST_BLOBS = 2 * (MAX_CHUNKS + MAX_ATTACHMENTS)

Held = tuple[int, bytes]  # an account, and a blob on it


def charge(size: int) -> int:
    """What a blob, or a chunk of one, counts for on an account."""
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
        self._paid: dict[int, dict[bytes, int]] = {}  # of these, for which blob

    def claim(self, owner: int, digest: bytes, size: int) -> None:
        """Put a blob on an account, as its newest; it is no longer nobody's."""
        if owner != NOBODY:
            self.let_go(NOBODY, digest)
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
        """A post names the blob: it is on no account, and who uploaded it has its bytes back."""
        for owner in self._owners.pop(digest, set()):
            self._bytes[owner] -= self._held[owner].pop(digest)
        for owner, paid in self._paid.items():
            since, spent = self._spent[owner]
            self._spent[owner] = since, spent - paid.pop(digest, 0)

    def idle(self) -> list[Held]:
        """What is on the accounts of who has been idle for long.

        Not the service's own: it names them when it can.
        """
        idle = [o for o in self._held if o != SERVICE and self.is_idle(o)]
        return [(owner, digest) for owner in idle for digest in self._held[owner]]

    def is_idle(self, owner: int) -> bool:
        """Whether its last upload is long ago; who was never seen is at work from now on."""
        since = self._active_ms.setdefault(owner, self._now_ms())
        return self._now_ms() >= since + 1000 * CLEAN_UP_SECONDS

    def bytes_of(self, owner: int) -> int:
        """How much is on an account; every blob counts as a block at least."""
        return self._bytes.get(owner, 0)

    def newest_bytes(self, owner: int) -> int:
        """What the newest blob on an account counts for, 0 if there is none."""
        return next(reversed(self._held.get(owner, {}).values()), 0)

    def count_of(self, owner: int) -> int:
        """How many blobs are on an account."""
        return len(self._held.get(owner, ()))

    def beyond(self, owner: int, limit: int) -> list[Held]:
        """An account's oldest, without which it is within ``limit`` bytes and ``MOST_BLOBS``."""
        found = list[Held]()
        size, count = self.bytes_of(owner), self.count_of(owner)
        for digest, charged in self._held.get(owner, {}).items():
            if size <= limit and count <= MOST_BLOBS:
                break
            found.append((owner, digest))
            size, count = size - charged, count - 1
        return found

    def on_no_other(self, held: Sequence[Held]) -> list[bytes]:
        """Which blobs nobody has any more once these are let go of."""
        left: dict[bytes, set[int]] = {}
        for owner, digest in held:
            left.setdefault(digest, set(self._owners[digest])).discard(owner)
        return [digest for digest, owners in left.items() if not owners]

    def let_go(self, owner: int, digest: bytes) -> None:
        """Take a blob off an account, if it is on it; what its upload cost stays spent."""
        if digest not in self._held.get(owner, ()):
            return
        self._bytes[owner] -= self._held[owner].pop(digest)
        self.forget_cost(owner, digest)
        self._owners[digest].discard(owner)
        if not self._owners[digest]:
            del self._owners[digest]

    def forget_cost(self, owner: int, digest: bytes) -> None:
        """Give nothing back for an upload that is deleted: its next one would cost nothing."""
        self._paid.get(owner, {}).pop(digest, None)

    def may_spend(self, owner: int, digest: bytes, size: int, limit: int) -> bool:
        """Whether a member may upload so many bytes more of a blob within this hour.

        Then they count.

        limit: bytes that one of its posts may need.
        """
        now_ms = self._now_ms()
        since, spent = self._spent.get(owner, (now_ms, 0))
        if not since <= now_ms < since + _HOUR_MS:
            since, spent = now_ms, 0
            self._paid.pop(owner, None)
        if spent + size > UPLOADS_AN_HOUR * limit:
            return False
        self._spent[owner] = since, spent + size
        paid = self._paid.setdefault(owner, {})
        paid[digest] = paid.get(digest, 0) + size
        return True
