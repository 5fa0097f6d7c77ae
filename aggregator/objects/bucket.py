"""Whole blobs as objects of a bucket, below a prefix of the federation's own."""

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from obstore.exceptions import BaseError
from obstore.store import from_url

from aggregator.errors import BlobsRefused, StoreAway, StoreDamaged
from aggregator.objects.address import endpoint
from aggregator.objects.meaning import is_gone, kind, words
from aggregator.objects.tickets import Tickets, put_by_url
from aggregator.store import CheckedBlobs, require_name
from protocol.messages import MAX_BLOB_BYTES

T = TypeVar("T")
log = logging.getLogger("quorate.aggregator")

# A request waits in the thread that everything else waits for.
_CLIENT = {"connect_timeout": "2s", "timeout": "6s"}
_RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=4)}
_LOOK_SECONDS = 3.0  # between two looks at a store that has failed
_HELD_BYTES = 48 << 20
_PAGE = 1_000  # names, and objects that one request deletes
_FAILURES = BaseError, OSError


class Bucket:
    """Names are hashes: an object is verified whenever it is read, and the store is not trusted."""

    def __init__(self, place: str) -> None:
        """place: a bucket's address with the prefix. Nothing is asked yet. Raises BlobsRefused."""
        self.place = place
        server = endpoint(place, os.environ)
        is_plain = server is not None and server.startswith("http:")
        options: dict[str, Any] = {"endpoint": server} if server else {}
        options |= {"client_options": {**_CLIENT, "allow_http": is_plain}}
        try:
            self._store: Any = from_url(place, retry_config=_RETRIES, **options)
        except (*_FAILURES, ValueError) as error:
            raise BlobsRefused(place, kind(error), words(error)) from None
        self._checked = CheckedBlobs(_HELD_BYTES)
        self._tickets = Tickets(self._store, place.startswith("s3:"))
        self._probe = f"probe-{secrets.token_hex(8)}"
        self._is_watched = self._gives_tickets = False
        self._away: str = ""  # why it is not asked
        self._closed = threading.Event()

    # ── for a service ──

    def check(self) -> None:
        """Write, read, list and delete; raises BlobsRefused where that cannot be done."""
        try:
            self._try()
        except _FAILURES as error:
            raise BlobsRefused(self.place, kind(error), words(error)) from None

    def watch(self) -> None:
        """From now on, once it has failed, it is asked in another thread until it answers again.

        In another thread, too, it is found out which tickets can be given.
        """
        self._is_watched = True
        threading.Thread(target=self.offer_tickets, name="tickets", daemon=True).start()

    def offer_tickets(self) -> None:
        """Find out which tickets can be given, give them from now on, and say so."""
        self._gives_tickets = False
        try:
            base = self._tickets.base
            checks = self._tickets.try_uploads(_name, put_by_url)
        except Exception as error:  # of two libraries; the service goes on without tickets
            log.info("%s: hospitals cannot reach it by themselves: %s", self.place, words(error))
            return
        self._gives_tickets = True
        what = "fetch and upload" if checks else "fetch"  # else the store checks no upload
        log.info("hospitals may %s blobs by themselves: --blobs-from %s", what, base)

    @property
    def is_away(self) -> bool:
        """Whether it has failed, and not answered since."""
        return bool(self._away)

    def close(self) -> None:
        """No longer look whether it answers."""
        self._closed.set()

    def _try(self) -> None:
        data = secrets.token_bytes(MAX_BLOB_BYTES)  # or it may answer, and be too slow for a blob
        self._store.put(self._probe, data, use_multipart=False)
        if bytes(self._store.get(self._probe).bytes()) != data:
            raise OSError("<Code>AnotherObject</Code>")
        next(iter(self._store.list(chunk_size=1)), None)
        self._store.delete([self._probe])

    def _ask(self, request: Callable[[], T]) -> T:
        """Raises FileNotFoundError for an object that is not there, and StoreAway."""
        if self._away:
            raise StoreAway(Path(self.place), self._away)
        try:
            return request()
        except _FAILURES as error:
            if is_gone(error):
                raise FileNotFoundError from None
            raise self._failed(words(error)) from None

    def _failed(self, why: str) -> StoreAway:
        said = f"its object store fails: {why}"
        if self._is_watched:
            self._away = said
            log.error(
                "%s fails: %s. Uploads wait, and so do rounds that need blobs", self.place, why
            )
            threading.Thread(target=self._look, name="objects", daemon=True).start()
        return StoreAway(Path(self.place), said)

    def _look(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                self._try()
            except Exception as error:
                self._away = f"its object store fails: {words(error)}"
            else:
                log.info("%s answers again", self.place)
                self.offer_tickets()  # it may be another one
                self._away = ""
                return

    # ── blobs ──

    def keep(self, path: Path, digest: bytes, data: bytes) -> None:
        """One request; the same bytes once more if they are there already."""
        self._ask(lambda: self._store.put(_name(digest), data, use_multipart=False))
        self._checked.hold(digest, data)

    def is_left(self, digest: bytes, size: int) -> bool:
        """Of those for which there was a ticket: all others are kept again from their uploads."""
        if not self._tickets.may_be_there(digest):
            return False
        return bool(self._ask(lambda: self._size(_name(digest))) == size)

    def _size(self, name: str) -> int | None:
        """None also where the bucket is gone: an answer without a body does not tell."""
        try:
            return int(self._store.head(name)["size"])
        except FileNotFoundError:
            return None

    def ticket_to_get(self, digest: bytes) -> str:
        """Signed here: the store is not asked."""
        return self._ticket(lambda: self._tickets.to_get(_name(digest)))

    def ticket_to_put(self, digest: bytes, size: int) -> str:
        """The same, where the store checks what is uploaded."""
        return self._ticket(lambda: self._tickets.to_put(_name(digest), digest, size))

    def expect(self, digest: bytes) -> None:
        """Somebody has such a ticket."""
        self._tickets.expect(digest)

    def _ticket(self, sign: Callable[[], str]) -> str:
        """None where it cannot be signed, as without fresh credentials."""
        if not self._gives_tickets or self._away:
            return ""
        try:
            return sign()
        except Exception as error:  # of two libraries; blobs go over the link
            log.debug("no ticket: %s", words(error))
            return ""

    def read(self, digest: bytes) -> bytes:
        """The last ones are in memory."""
        if (data := self._checked.get(digest)) is not None:
            return data
        try:
            data = self._ask(lambda: self._get(digest))
        except FileNotFoundError:
            raise StoreDamaged(f"blob {digest.hex()}", f"it is gone from {self.place}") from None
        return self._checked.hold(digest, require_name(data, digest, f" in {self.place}"))

    def _get(self, digest: bytes) -> bytes:
        found = self._store.get(_name(digest))
        if found.meta["size"] > MAX_BLOB_BYTES:  # no blob, and may be more than fits in memory
            return b""
        return bytes(found.bytes())

    def part(self, digest: bytes, offset: int, size: int) -> bytes:
        """Of what ``read`` gives."""
        return self.read(digest)[offset : offset + size]

    def require(self, digest: bytes, size: int | None) -> None:
        """A request for each blob of a long board would take hours."""

    def remove(self, digests: Sequence[bytes]) -> None:
        """Many at a request."""
        for digest in digests:
            self._checked.forget(digest)
        names = [_name(digest) for digest in digests]
        for first in range(0, len(names), _PAGE):
            page = names[first : first + _PAGE]
            try:
                self._ask(partial(self._store.delete, page))
            except FileNotFoundError:
                continue

    def found(self) -> Iterator[tuple[bytes, int]]:
        """A request for each thousand."""
        return _Listing(self._page)

    def _page(self, after: str) -> list[tuple[str, int]]:
        listed = self._ask(
            lambda: next(iter(self._store.list(offset=after or None, chunk_size=_PAGE)), ())
        )
        return [(str(each["path"]), int(each["size"])) for each in listed]


class _Listing(Iterator[tuple[bytes, int]]):
    """Goes on where it was, also after an error."""

    def __init__(self, page: Callable[[str], list[tuple[str, int]]]) -> None:
        self._page, self._after = page, ""
        self._read: list[tuple[bytes, int]] = []
        self._is_at_end = False

    def __next__(self) -> tuple[bytes, int]:
        while not self._read:
            if self._is_at_end:
                raise StopIteration
            page = self._page(self._after)
            self._is_at_end = not page
            if page:
                self._after = page[-1][0]
            self._read = [(name, size) for path, size in page if (name := _digest(path))][::-1]
        return self._read.pop()


def _name(digest: bytes) -> str:
    name = digest.hex()
    return f"{name[:2]}/{name}"


def _digest(path: str) -> bytes:
    """The name of the blob that an object is; empty if it is none."""
    try:
        found = bytes.fromhex(path.rpartition("/")[2])
    except ValueError:
        return b""
    return found if _name(found) == path else b""
