"""One process at a time on a data folder."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import AggregatorError, StoreFull

LOCK_NAME = "lock"
_SHOWN_BYTES = 512
_MOMENT_SECONDS, _PATIENCE_SECONDS = 0.2, 3.0


class AlreadyRunning(AggregatorError, says="{path} is held by process {pid} ({command})"):
    """Another process holds the data folder; ``pid`` is 0 where it has not yet said."""

    path: Path
    pid: int
    command: str


@contextlib.contextmanager
def hold(folder: Path, command: str) -> Iterator[None]:
    """Hold a data folder for as long as the block runs; it is made if it is missing.

    Who asks for the holder holds it for a moment, and is waited for. So is a holder that has not
    yet said who it is. Raises AlreadyRunning, or StoreFull if the system refuses. The kernel lets
    go when the process ends, whichever way. The file stays, since removing it would let two
    processes each lock a file of that name.
    """
    path = folder / LOCK_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreFull.of(path, error) from None
    try:
        _lock(descriptor, path)
        _tell(descriptor, path, f"{os.getpid()} {command}\n".encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(folder: Path) -> tuple[int, str] | None:
    """Process and command of who holds a data folder, None if nobody does; writes nothing.

    It is 0 and empty where the holder has not yet said. Raises StoreFull if the system refuses.
    """
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreFull.of(path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    except OSError as error:
        raise StoreFull.of(path, error) from None
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int, path: Path) -> None:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pid, command = _holder(descriptor)
            if time.monotonic() >= began + (_MOMENT_SECONDS if command else _PATIENCE_SECONDS):
                raise AlreadyRunning(path, pid, command) from None
        except OSError as error:
            raise StoreFull.of(path, error) from None
        time.sleep(0.02)


def _tell(descriptor: int, path: Path, line: bytes) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, line, 0)
    except OSError as error:
        raise StoreFull.of(path, error) from None


def _holder(descriptor: int) -> tuple[int, str]:
    text = os.pread(descriptor, _SHOWN_BYTES, 0).decode(errors="replace")
    pid, _, command = text.partition(" ")
    return (int(pid) if pid.isascii() and pid.isdigit() else 0), command.strip()
