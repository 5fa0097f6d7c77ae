"""Whole blobs as files of a folder."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aggregator.errors import StoreDamaged
from aggregator.store.durable import disk_errors
from aggregator.store.whole_blobs import CheckedBlobs, require_name
from protocol.messages import MAX_BLOB_BYTES, blob_name
from protocol.programs.temporary import sync

_HELD_BYTES = 2 * MAX_BLOB_BYTES


class BlobFolder:
    """Rename → fsync of the folder. Another process may read beside; it makes no folder."""

    place, is_away = "", False

    def __init__(self, folder: Path) -> None:
        """The folder is made with its first blob."""
        self._folder = folder
        self._verified: dict[bytes, tuple[int, ...]] = {}  # files whose bytes had their name
        self._checked = CheckedBlobs(_HELD_BYTES)

    def keep(self, path: Path, digest: bytes, data: bytes) -> None:
        """Move the file to its place."""
        final = self._path(digest)
        with disk_errors(final):
            if not final.parent.exists():
                final.parent.mkdir(parents=True, exist_ok=True)
                sync(self._folder)
                sync(self._folder.parent)
            path.rename(final)
            sync(final.parent)
            self._verified[digest] = _mark(final.stat())

    def is_left(self, digest: bytes, size: int) -> bool:
        """Read and synced, if there is one."""
        path = self._path(digest)
        with disk_errors(path):
            if not path.exists() or path.stat().st_size != size:
                return False
            if blob_name(path.read_bytes()) != digest:
                return False
            sync(path.parent)
        return True

    def ticket_to_get(self, digest: bytes) -> str:
        """None: nobody else speaks with this folder."""
        return ""

    def ticket_to_put(self, digest: bytes, size: int) -> str:
        """None."""
        return ""

    def expect(self, digest: bytes) -> None:
        """Nobody has one."""

    def read(self, digest: bytes) -> bytes:
        """The last ones are in memory."""
        if (data := self._checked.get(digest)) is not None:
            return data
        try:
            data = self._path(digest).read_bytes()
        except OSError as error:
            raise StoreDamaged(f"blob {digest.hex()}", error.strerror or str(error)) from None
        return self._checked.hold(digest, require_name(data, digest))

    def part(self, digest: bytes, offset: int, size: int) -> bytes:
        """The blob is read and checked whole once, and again only if its file is another or was
        written to since.

        Bytes that a disk changes by itself after that are noticed by who gets them, since blobs are
        named by their hash.
        """
        try:
            with self._path(digest).open("rb", buffering=0) as file:
                mark = _mark(os.fstat(file.fileno()))
                if self._verified.get(digest) != mark:
                    self._checked.forget(digest)
                    self.read(digest)
                    self._verified[digest] = mark
                return os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise StoreDamaged(f"blob {digest.hex()}", error.strerror or str(error)) from None

    def require(self, digest: bytes, size: int | None) -> None:
        """As far as the sizes of files tell."""
        try:
            found = self._path(digest).stat().st_size
        except FileNotFoundError:
            raise StoreDamaged(f"blob {digest.hex()}", "its file is gone") from None
        except OSError as error:
            raise StoreDamaged(f"blob {digest.hex()}", error.strerror or str(error)) from None
        if size not in (None, found):
            raise StoreDamaged(f"blob {digest.hex()}", "its file has another length")

    def remove(self, digests: Sequence[bytes]) -> None:
        """One file after the other."""
        for digest in digests:
            self._verified.pop(digest, None)
            self._checked.forget(digest)
            path = self._path(digest)
            with disk_errors(path):
                path.unlink(missing_ok=True)

    def found(self) -> Iterator[tuple[bytes, int]]:
        """Files as the system lists them."""
        with disk_errors(self._folder):
            if self._folder.exists():
                yield from self._listed()

    def _listed(self) -> Iterator[tuple[bytes, int]]:
        for folder in os.scandir(self._folder):
            if len(folder.name) == 2 and folder.is_dir():
                for file in os.scandir(folder.path):
                    with contextlib.suppress(ValueError, FileNotFoundError):
                        yield bytes.fromhex(file.name), file.stat().st_size

    def close(self) -> None:
        """Nothing is held."""

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name


def _mark(stat: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written to or replaced."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
