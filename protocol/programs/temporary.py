"""Files that are written aside until they are whole.

A temporary file carries an exclusive flock for as long as it is being written, so that ``sweep``
can tell what a dead process left behind from what a living one is writing.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from protocol.programs.refusals import Refusal, refusals

_TEMPORARY = re.compile(r"\.quorate-[0-9a-f]{32}\.tmp")


@dataclass(frozen=True)
class FileAside:
    """A temporary file that is to become ``path``."""

    path: Path
    temporary: Path
    descriptor: int
    refusal: Refusal

    def write(self, data: bytes) -> None:
        """Append bytes; raises the refusal."""
        view = memoryview(data)
        with refusals(self.path, self.refusal):
            while view:
                view = view[os.write(self.descriptor, view) :]

    def take_free_name(self, taken: Callable[[Path], Exception]) -> None:
        """Give what was written its name, durably; raises ``taken`` if something has that name."""
        with refusals(self.path, self.refusal):
            os.fsync(self.descriptor)
            try:
                os.link(self.temporary, self.path)  # unlike rename, link never replaces
            except FileExistsError:
                raise taken(self.path) from None
            sync(self.path.parent)

    def take_name(self) -> None:
        """Give what was written its name, durably, in place of what has it; raises the refusal."""
        with refusals(self.path, self.refusal):
            os.fsync(self.descriptor)
            os.rename(self.temporary, self.path)
            sync(self.path.parent)


@contextlib.contextmanager
def aside(path: Path, refusal: Refusal) -> Iterator[FileAside]:
    """An empty temporary file, 0600, beside ``path``, gone at the end unless it was renamed."""
    with refusals(path, refusal):
        temporary, descriptor = _create_temporary(path.parent)
    try:
        yield FileAside(path, temporary, descriptor, refusal)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
        os.close(descriptor)


def check_ordinary(path: Path) -> None:
    """Raises OSError for a device, a pipe or a folder: a file would take the place of it."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.ENXIO, "it is no ordinary file")


def entries(folder: Path) -> list[Path]:
    """Everything in a folder but what is just being written, sorted; raises OSError."""
    return sorted(folder / name for name in names(folder))


def names(folder: Path) -> list[str]:
    """The names of the same, in no order; a folder may have millions. Raises OSError."""
    return [name for name in os.listdir(folder) if not _TEMPORARY.fullmatch(name)]


def sweep(folder: Path) -> None:
    """Remove the temporary files that dead processes left in ``folder``; raises OSError."""
    for name in os.listdir(folder):
        if _TEMPORARY.fullmatch(name):
            _remove_if_abandoned(folder / name)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create_temporary(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f".quorate-{secrets.token_hex(16)}.tmp"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # A sweep may have come between open and flock; then the file has no name left.
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _remove_if_abandoned(path: Path) -> None:
    # A living writer holds a lock on it.
    with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
