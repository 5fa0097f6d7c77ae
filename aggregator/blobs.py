"""Blobs on disk, named by their hash; uploads go on where the last durable byte was."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import StoreDamaged, StoreFull
from aggregator.store import BoardStore
from protocol.messages import blob_name

MAX_INCOMPLETE_BYTES = 512 << 20  # announced by one member and not yet whole


class WrongBlob(Exception):
    """An upload whose bytes do not have the announced name; it has been deleted."""


class TooManyUploads(Exception):
    """A member has announced more than may be incomplete at a time."""


class BlobStore:
    """Temporary file → fsync → rename → fsync of the folder → row → and only then acknowledged."""

    def __init__(self, folder: Path, store: BoardStore) -> None:
        self._incoming, self._blobs, self._store = folder / "incoming", folder / "blobs", store
        self._announced: dict[tuple[int, bytes], int] = {}
        with _disk(folder):
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._blobs.mkdir(parents=True, exist_ok=True)

    def size(self, digest: bytes) -> int | None:
        """The size of a whole blob, None if it is not here."""
        return self._store.blob_size(digest)

    def put(self, data: bytes) -> bytes:
        """Keep a blob made here; durable when its name is returned."""
        digest = blob_name(data)
        if self.size(digest) is None:
            path = self._incoming / f"0-{digest.hex()}"
            with _disk(path):
                path.write_bytes(data)
                _sync(path)
            self._keep(path, digest, len(data))
        return digest

    def have(self, member: int, digest: bytes, size: int) -> int:
        """How many bytes of an announced blob are here; raises TooManyUploads."""
        if (whole := self.size(digest)) is not None:
            return whole
        others = sum(s for (m, d), s in self._announced.items() if m == member and d != digest)
        if others + size > MAX_INCOMPLETE_BYTES:
            raise TooManyUploads
        self._announced[member, digest] = size
        path = self._partial(member, digest)
        with _disk(path):
            have = path.stat().st_size if path.exists() else 0
        if have >= size:  # all bytes came, and then the service stopped
            self._finish(member, digest, path, size)
        return have

    def add(self, member: int, digest: bytes, size: int, offset: int, data: bytes) -> int:
        """Append a chunk if it fits, and return how many bytes are here, durably.

        Raises WrongBlob if the blob is whole and has another name.
        """
        have = self.have(member, digest, size)
        if self.size(digest) is not None or offset != have or have + len(data) > size:
            return have
        path = self._partial(member, digest)
        with _disk(path), path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if have + len(data) == size:
            self._finish(member, digest, path, size)
        return have + len(data)

    def read(self, digest: bytes) -> bytes:
        """A whole blob; raises StoreDamaged if its bytes no longer have its name."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreDamaged(f"blob {digest.hex()}", str(error)) from None
        if blob_name(data) != digest:
            raise StoreDamaged(f"blob {digest.hex()}", "its bytes do not have its name")
        return data

    def _finish(self, member: int, digest: bytes, path: Path, size: int) -> None:
        if blob_name(path.read_bytes()) != digest:
            path.unlink()
            raise WrongBlob
        self._keep(path, digest, size)
        self._announced.pop((member, digest), None)

    def _keep(self, path: Path, digest: bytes, size: int) -> None:
        final = self._path(digest)
        with _disk(final):
            if not final.parent.exists():
                final.parent.mkdir(exist_ok=True)
                _sync(self._blobs)
            path.rename(final)
            _sync(final.parent)
        self._store.add_blob(digest, size)

    def _partial(self, member: int, digest: bytes) -> Path:
        return self._incoming / f"{member}-{digest.hex()}"

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._blobs / name[:2] / name


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFull(path, error.strerror or str(error)) from None
