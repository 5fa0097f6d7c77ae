"""Blobs, named by their hash; uploads go on where the last byte was.

Uploads are files of the data folder. A blob that is whole lies where ``WholeBlobs`` puts it.
Each member's incomplete uploads have names of their own, so that nobody can spoil another's. What
a member has uploaded and no post names yet is bounded; its oldest gives way to its newest.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from aggregator.errors import BadUpload, StoreDamaged, StoreFull
from aggregator.store.blob_folder import BlobFolder
from aggregator.store.board import BoardStore
from aggregator.store.durable import disk_errors
from aggregator.store.unnamed_blobs import NOBODY, SERVICE, Held, UnnamedBlobs, charge
from aggregator.store.whole_blobs import WholeBlobs
from protocol.messages import MAX_ATTACHMENTS, MAX_BLOB_BYTES, Attachment, blob_name
from protocol.programs.temporary import sync
from protocol.wire import DIRECT_BYTES

# What the blobs of one post hold at most, if nobody knows better.
MAX_POST_BLOBS_BYTES = MAX_ATTACHMENTS * MAX_BLOB_BYTES
# Of one member: those of the post that is on its way, and of one that it gave up.
POSTS_ON_THEIR_WAY = 2
MAX_INCOMPLETE = 4 * MAX_ATTACHMENTS
# A ticket may be used again once its blob was deleted, and at a bucket others may be at work.
_SEARCH_EVERY_MS = 24 * 3_600_000
_LOOKED_AT = 2_000  # blobs at a time, in search of those without a row


class BlobStore:
    """Temporary file → fsync → kept among whole blobs → row → and only then called whole.

    A part is acknowledged as it is written. It outlives the process; if a power cut takes its end
    away or tears it, the hash shows that when it is whole, and it is uploaded again.
    """

    def __init__(
        self,
        folder: Path,
        store: BoardStore,
        post_bytes: Callable[[], int] = lambda: MAX_POST_BLOBS_BYTES,
        pace_ms: Callable[[], int] = lambda: int(1000 * time.monotonic()),
        whole: WholeBlobs | None = None,
    ) -> None:
        """``post_bytes``: what the blobs of one post of a member hold at most, as of now.

        ``pace_ms``: a clock that nobody sets, for what is given up. ``whole``: where whole blobs
        lie, by default beside the uploads.
        """
        self.appended = 0  # bytes that were written to uploads
        self._incoming, self._store = folder / "incoming", store
        self._whole: WholeBlobs = whole or BlobFolder(folder / "blobs")
        self._post_bytes = post_bytes
        self._pace_ms, self._unnamed = pace_ms, UnnamedBlobs(pace_ms)
        self._search_ms = 0  # when it was begun last
        self._search: Iterator[tuple[bytes, int]] = iter(())
        self._fresh: set[Path] = set()  # uploads that this object has seen from their first byte
        with disk_errors(folder):
            self._incoming.mkdir(parents=True, exist_ok=True)
            sync(folder)

    @property
    def place(self) -> str:
        """The address of where whole blobs lie, empty for the data folder."""
        return self._whole.place

    @property
    def is_away(self) -> bool:
        """Whether that place has failed, and not answered since."""
        return self._whole.is_away

    def size(self, digest: bytes) -> int | None:
        """The size of a whole blob, None if it is not here."""
        return self._store.blob_size(digest)

    def put(self, data: bytes) -> bytes:
        """Keep a blob made here; durable when its name is returned."""
        digest = blob_name(data)
        if self.size(digest) is None:
            path = self._partial(0, digest)
            with disk_errors(path):
                path.write_bytes(data)
                sync(path)
            self._keep(path, digest, data)
        self._claim(SERVICE, digest, len(data))
        return digest

    def name(self, digest: bytes) -> None:
        """A post on the board names the blob, as the board's store has noted: it is kept."""
        self._unnamed.name(digest)

    def look_for_unnamed(self) -> None:
        """What lies there and is named nowhere is nobody's.

        That is in the store at once. For blobs of which it knows nothing, which a crash may have
        left, ``clean_up`` looks through all that lies there, a part at a time.
        """
        for digest, size in self._store.unnamed_blobs():
            self._unnamed.claim(NOBODY, digest, size)
        self._begin_search()

    def _begin_search(self) -> None:
        self._search, self._search_ms = self._whole.found(), self._pace_ms()

    def clean_up(self) -> None:
        """Delete what members have uploaded and not named, and do not go on with."""
        with disk_errors(self._incoming):  # first, since a full disk does not refuse it
            for path in self._incoming.iterdir():
                owner = path.name.partition("-")[0]
                if owner.isdecimal() and self._unnamed.is_idle(int(owner)):
                    self._discard(path)
        found = list(islice(self._search, _LOOKED_AT))
        for digest, size in found:
            if self.size(digest) is None:
                self._unnamed.claim(NOBODY, digest, size)
        if not found and self._pace_ms() >= self._search_ms + _SEARCH_EVERY_MS:
            self._begin_search()
        self._drop(self._unnamed.idle())

    def pruned_before(self, study: str) -> int:
        """The first round of a study whose vectors are not given up; 1 at first."""
        return self._store.pruned_before(study)

    def mark_pruned(self, study: str, before: int) -> None:
        """Give up the vectors of a study's rounds before that one; durable when this returns."""
        self._store.mark_pruned(study, before)

    def prune(self, limit: int) -> bool:
        """Delete some of what is given up; whether more may be to do.

        limit: names at a time. What a crash leaves has no row, and ``clean_up`` finds it.
        """
        if self._whole.is_away:
            return False  # else all rows would go, and all blobs stay
        gone, is_more = self._store.prune(limit)
        try:
            self._whole.remove(gone)
        except StoreFull:
            for digest in gone:  # no row speaks of them any more: ``clean_up`` has them to delete
                self._unnamed.claim(NOBODY, digest, 0)
            raise
        return is_more

    def have(self, member: int, digest: bytes, size: int) -> int:
        """How many bytes of an announced blob are here. Raises BadUpload."""
        if self._is_whole(digest, size):
            self._claim(member, digest, size)
            self._make_room(member)
            return size
        self._unnamed.touch(member)
        path = self._partial(member, digest)
        with disk_errors(path):
            if not path.exists():
                return 0
            have = path.stat().st_size
        return self._finish(path, digest, size) if have >= size else have

    def add(self, member: int, digest: bytes, size: int, offset: int, data: bytes) -> int:
        """Append a chunk if it fits, and return how many bytes are here.

        Raises BadUpload for a chunk beyond the blob's end, and if the blob is whole and has another
        name; then it has been deleted.
        """
        if offset + len(data) > size:
            raise BadUpload(digest, "malformed", "a chunk ends beyond the end of its blob")
        if self._is_whole(digest, size):
            self._claim(member, digest, size)
            self._make_room(member)
            return size
        path = self._partial(member, digest)
        with disk_errors(path):
            have = path.stat().st_size if path.exists() else 0
        if have >= size:
            return self._finish(path, digest, size)
        if offset != have or not data:
            return have
        self._spend(member, digest, charge(len(data)))
        self._make_room(member, path, len(data))
        self._append(path, have, data)
        have += len(data)
        return self._finish(path, digest, size) if have == size else have

    def ticket_to_get(self, digest: bytes) -> str:
        """The query by which a member gets a whole blob itself; empty where it cannot."""
        return self._whole.ticket_to_get(digest)

    def ticket_to_put(self, member: int, digest: bytes, size: int) -> str:
        """The same to upload one itself, which it then offers; raises BadUpload.

        It costs the member what the upload would, and is on its account: nobody may hear whether
        the blob was put.
        """
        if self._is_whole(digest, size) or size < DIRECT_BYTES:
            return ""
        if query := self._whole.ticket_to_put(digest, size):
            self._spend(member, digest, charge(size))
            self._whole.expect(digest)
            self._claim(member, digest, size)
            self._make_room(member)
        return query

    def read(self, digest: bytes) -> bytes:
        """A whole blob; raises StoreDamaged if its bytes no longer have its name."""
        return self._whole.read(digest)

    def payload(self, attachment: Attachment) -> bytes:
        """What a post has attached, in itself or as a blob; raises as ``read`` does."""
        return self.read(attachment.digest) if attachment.is_blob else attachment.data

    def part(self, digest: bytes, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of a whole blob; raises StoreDamaged as ``read`` does."""
        return self._whole.part(digest, offset, size)

    def require(self, digest: bytes, size: int | None = None) -> None:
        """Raises StoreDamaged unless a blob that the board names is here, as far as rows tell, and
        sizes of files.

        size: what the board says of it, None where it gives the name alone.
        """
        recorded = self.size(digest)
        if recorded is None or size not in (None, recorded):
            raise StoreDamaged(f"blob {digest.hex()}", "the board names it and it is not recorded")
        self._whole.require(digest, recorded)

    def incomplete_bytes(self, member: int) -> int:
        """Bytes of a member's incomplete uploads."""
        with disk_errors(self._incoming):
            return sum(path.stat().st_size for path in self._partials(member))

    def _is_whole(self, digest: bytes, size: int) -> bool:
        if not 1 <= size <= MAX_BLOB_BYTES:
            raise BadUpload(digest, "too-large", f"a blob has 1 to {MAX_BLOB_BYTES} bytes")
        whole = self.size(digest)
        if size > POSTS_ON_THEIR_WAY * self._post_bytes():
            raise BadUpload(digest, "too-large", "no post that is due needs so much")
        if whole not in (None, size):
            raise BadUpload(digest, "malformed", f"the blob of this name has {whole} bytes")
        return whole is not None or self._adopt(digest, size)

    def _adopt(self, digest: bytes, size: int) -> bool:
        """Record a blob that got its place just before a crash; whether there was one."""
        if not self._whole.is_left(digest, size):
            return False
        self._store.add_blob(digest, size)
        return True

    def _claim(self, owner: int, digest: bytes, size: int) -> None:
        if not self._store.is_named(digest):
            self._unnamed.claim(owner, digest, size)

    def _spend(self, member: int, digest: bytes, size: int) -> None:
        """Raises BadUpload for who has uploaded much more in an hour than it has named."""
        self._unnamed.touch(member)
        if not self._unnamed.may_spend(member, digest, size, self._post_bytes()):
            reason = "it has uploaded too much that no post of its names; it may go on later"
            raise BadUpload(digest, "busy", reason)

    def _make_room(self, member: int, path: Path | None = None, size: int = 0) -> None:
        """Delete the member's oldest uploads while it has more than its share.

        path, size: the upload that goes on, and its next bytes. A member that gave up posts
        half-way can so always go on with a new one.
        """
        limit = POSTS_ON_THEIR_WAY * self._post_bytes()
        with disk_errors(self._incoming):
            stats = {p: p.stat() for p in self._partials(member)}
            others = sorted((p for p in stats if p != path), key=lambda p: stats[p].st_mtime_ns)
            incomplete = size + sum(stat.st_size for stat in stats.values())
            newest = 0 if path else self._unnamed.newest_bytes(member)  # which was just asked for
            self._drop(self._unnamed.beyond(member, max(limit - incomplete, newest)))
            most = limit - self._unnamed.bytes_of(member)
            while others and (incomplete > most or len(others) >= MAX_INCOMPLETE):
                oldest = others.pop(0)
                self._discard(oldest)
                incomplete -= stats[oldest].st_size

    def _discard(self, path: Path) -> None:
        """Delete an incomplete upload; its cost stays spent, whoever names its blob later."""
        path.unlink()
        self._fresh.discard(path)
        owner, _, name = path.name.partition("-")
        with contextlib.suppress(ValueError):  # no name of ours
            self._unnamed.forget_cost(int(owner), bytes.fromhex(name))

    def _drop(self, held: Sequence[Held]) -> None:
        """Delete what is on no other account, and only then take all of it off its accounts.

        So what a full disk keeps from being deleted is found again.
        """
        self._remove(self._unnamed.on_no_other(held))
        for owner, digest in held:
            self._unnamed.let_go(owner, digest)

    def _remove(self, digests: Sequence[bytes]) -> None:
        """Their rows first: a blob without one is nothing that was acknowledged."""
        self._store.remove_blobs(digests)
        self._whole.remove(digests)

    def _append(self, path: Path, have: int, data: bytes) -> None:
        with disk_errors(path), path.open("ab", buffering=0) as file:
            try:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                self.appended += len(data)
                if have == 0:
                    self._fresh.add(path)
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(have)
                raise

    def _finish(self, path: Path, digest: bytes, size: int) -> int:
        """Keep a complete upload; returns how much of the blob is here then."""
        fresh = path in self._fresh
        self._fresh.discard(path)
        with disk_errors(path):
            data = path.read_bytes()
        if len(data) != size or blob_name(data) != digest:
            with disk_errors(path):
                self._discard(path)
            if fresh:
                raise BadUpload(digest, "malformed", "the bytes sent do not have its name")
            return 0  # a power cut may have left a torn end: from the beginning, then
        with disk_errors(path):
            try:
                sync(path)
            except OSError:
                self._discard(path)  # or else the next sync may pass, without what this one lost
                raise
        self._keep(path, digest, data)
        self._claim(int(path.name.partition("-")[0]), digest, size)
        return size

    def _keep(self, path: Path, digest: bytes, data: bytes) -> None:
        self._whole.keep(path, digest, data)
        self._store.add_blob(digest, len(data))
        with disk_errors(path):
            path.unlink(missing_ok=True)  # last: after a crash it is kept again from this file

    def _partial(self, member: int, digest: bytes) -> Path:
        return self._incoming / f"{member}-{digest.hex()}"

    def _partials(self, member: int) -> list[Path]:
        return list(self._incoming.glob(f"{member}-*"))
