"""One process at a time on a service's data folder."""

import contextlib
import fcntl
from pathlib import Path

from aggregator.errors import AggregatorError, StoreFull
from aggregator.store.durable import disk_errors
from protocol.programs.lock import LOCK_NAME, Holder, locked, read_holder, shared

_MOMENT_SECONDS, _PATIENCE_SECONDS = 0.2, 3.0


class AlreadyRunning(AggregatorError, says="{path} is held by process {pid} ({command})"):
    """Another process holds the data folder; ``pid`` is None where it has not yet said."""

    path: Path
    pid: int | None
    command: str


def hold(folder: Path, command: str) -> contextlib.AbstractContextManager[None]:
    """As ``locked``; the folder is made if it is missing.

    Who asks for the holder holds it for a moment, and is waited for. So is a holder that has not
    yet said who it is. Raises AlreadyRunning, or StoreFull if the system refuses.
    """
    _make(folder)
    return locked(folder, command, StoreFull.of, AlreadyRunning, _MOMENT_SECONDS, _PATIENCE_SECONDS)


def share(folder: Path) -> contextlib.AbstractContextManager[None]:
    """As ``shared``, and raises as ``hold``."""
    _make(folder)
    return shared(folder, StoreFull.of, AlreadyRunning)


def _make(folder: Path) -> None:
    with disk_errors(folder / LOCK_NAME):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def holder(folder: Path) -> Holder | None:
    """Who holds a data folder, None if nobody does; writes nothing, raises StoreFull."""
    path = folder / LOCK_NAME
    with disk_errors(path), contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return read_holder(file.fileno())
    return None
