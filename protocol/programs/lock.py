"""One process at a time on a data folder, and which it is."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from protocol.programs.refusals import Refusal, refusals

LOCK_NAME = "lock"
_LIMIT = 4096  # bytes of a lock file that are looked at
_held: set[int] = set()  # descriptors; none in a forked child

Holder = tuple[int | None, str]  # process and command; None and empty where it has not yet said


@contextlib.contextmanager
def locked(
    folder: Path,
    command: str,
    refusal: Refusal,
    taken: Callable[[Path, int | None, str], Exception],
    moment: float = 0.0,
    patience: float = 0.0,
) -> Iterator[None]:
    """Hold a folder, which is there, against other processes; raises ``taken`` if one has it.

    ``command`` is shown to whoever is turned away, so it must contain nothing secret. A holder is
    waited for: ``moment`` seconds, ``patience`` where it has not yet said who it is. The kernel
    lets go when the process ends, however it ends; the file itself stays, since removing it would
    let two processes lock two files of one name. A child that is forked meanwhile does not hold
    the lock, so that no worker that outlives its parent keeps the folder.
    """
    with _lock_file(folder, refusal) as (path, descriptor):
        with refusals(path, refusal):
            began = time.monotonic()
            while not _is_had(descriptor, fcntl.LOCK_EX):
                pid, said = read_holder(descriptor)
                if time.monotonic() >= began + (moment if said else patience):
                    raise taken(path, pid, said)
                time.sleep(0.02)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{command}\n".encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if descriptor in _held:
                    os.ftruncate(descriptor, 0)


@contextlib.contextmanager
def shared(
    folder: Path, refusal: Refusal, taken: Callable[[Path, int | None, str], Exception]
) -> Iterator[None]:
    """Keep a folder, which is there, from who would hold it alone, as ``locked`` does.

    Others may share it. Raises ``taken`` if somebody holds it alone.
    """
    with _lock_file(folder, refusal) as (path, descriptor):
        with refusals(path, refusal):
            if not _is_had(descriptor, fcntl.LOCK_SH):
                raise taken(path, *read_holder(descriptor))
        yield


@contextlib.contextmanager
def _lock_file(folder: Path, refusal: Refusal) -> Iterator[tuple[Path, int]]:
    path = folder / LOCK_NAME
    with refusals(path, refusal):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _held.add(descriptor)
    try:
        yield path, descriptor
    finally:
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)


def last_holder(path: Path) -> Holder:
    """Who wrote itself into that lock file last, and has not let go; it may have been killed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None, ""
    try:
        return read_holder(descriptor)
    finally:
        os.close(descriptor)


def read_holder(descriptor: int) -> Holder:
    """Who has written itself into a lock file."""
    text = os.pread(descriptor, _LIMIT, 0).decode(errors="replace")
    pid, _, command = text.partition("\n")
    return (int(pid) if pid.isascii() and pid.isdigit() else None), command.strip()


def _is_had(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _let_go() -> None:
    """Close a forked child's descriptors: the lock stays with the process that took it."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
