"""One process at a time on a data folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import AggregatorError, StoreFull

LOCK_NAME = "lock"
_SHOWN_BYTES = 512
_PATIENCE_SECONDS = 3.0


class AlreadyRunning(AggregatorError):
    """Another process holds the data folder; ``pid`` is 0 where it has not yet said."""

    def __init__(self, path: Path, pid: int, command: str) -> None:
        super().__init__(f"{path} is held by process {pid} ({command})")
        self.path, self.pid, self.command = path, pid, command


@contextlib.contextmanager
def hold(folder: Path, command: str, brief: str = "") -> Iterator[None]:
    """Hold a data folder for as long as the block runs; it is made if it is missing.

    A holder whose command is ``brief`` is waited for, some seconds. Raises AlreadyRunning, or
    StoreFull if the system refuses. The kernel lets go when the process ends, whichever way; the
    file stays, since removing it would let two processes each lock a file of that name.
    """
    path = folder / LOCK_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreFull.of(path, error) from None
    try:
        _lock(descriptor, path, brief)
        _tell(descriptor, path, f"{os.getpid()} {command}\n".encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, brief: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pid, command = _holder(descriptor)
            if command not in ("", brief) or time.monotonic() >= until:
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
