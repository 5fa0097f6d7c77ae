"""One process at a time on a data folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from participant.disk.files import make_folder
from participant.errors import AlreadyRunning, DiskError
from protocol.programs.refusals import FULL, READ_ONLY

LOCK_NAME = "lock"
_LIMIT = 4096  # bytes of a lock file that are looked at
_held: set[int] = set()  # descriptors; none in a forked child


@contextlib.contextmanager
def hold(folder: Path, command: str) -> Iterator[None]:
    """Hold a data folder against other processes; raises AlreadyRunning if one has it.

    ``command`` is shown to whoever is turned away, so it must contain nothing secret. The kernel
    lets go when the process ends, however it ends; the file itself stays, since removing it would
    let two processes lock two files of one name. A child that is forked meanwhile does not hold
    the lock, so that no worker that outlives its parent keeps the folder.
    """
    make_folder(folder)
    path = folder / LOCK_NAME
    descriptor = _open(path)
    _held.add(descriptor)
    try:
        _lock(descriptor, path)
        _write(descriptor, path, f"{os.getpid()}\n{command}\n".encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if descriptor in _held:
                    os.ftruncate(descriptor, 0)
    finally:
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)


@contextlib.contextmanager
def look(folder: Path, command: str) -> Iterator[bool]:
    """As ``hold``, for a command that only reads; whether the folder could be written to.

    Where it cannot be, nobody else can be at work on it from here either: nothing is held then.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(hold(folder, command))
        except DiskError as error:
            if error.number not in READ_ONLY | FULL:
                raise
            yield False
            return
        yield True


def _let_go() -> None:
    """Close a forked child's descriptors: the lock stays with the process that took it."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DiskError.of(path, error) from error


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, command = _holder(os.pread(descriptor, _LIMIT, 0))
        raise AlreadyRunning(path, pid, command) from None
    except OSError as error:
        raise DiskError.of(path, error) from error


def _write(descriptor: int, path: Path, data: bytes) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, data, 0)
    except OSError as error:
        raise DiskError.of(path, error) from error


def _holder(data: bytes) -> tuple[int | None, str]:
    """Process id and command in a lock file; None where the holder has not written them yet."""
    pid, _, command = data.decode(errors="replace").partition("\n")
    return (int(pid) if pid.isascii() and pid.isdigit() else None), command.strip()
