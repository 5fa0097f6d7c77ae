"""One process at a time on a hospital's data folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from participant.disk.files import make_folder
from participant.errors import AlreadyRunning, DiskError
from protocol.programs.lock import LOCK_NAME, last_holder, locked
from protocol.programs.refusals import FULL, READ_ONLY


def hold(folder: Path, command: str) -> contextlib.AbstractContextManager[None]:
    """As ``locked``, at once; the folder is made if it is missing.

    Raises AlreadyRunning if another process has it, and DiskError.
    """
    make_folder(folder)
    return locked(folder, command, DiskError.of, AlreadyRunning)


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


def holder(folder: Path) -> str:
    """For which command a process seems to hold a folder; empty if none does.

    A look at the lock itself would be in the way of who takes it just then.
    """
    pid, command = last_holder(folder / LOCK_NAME)
    return command if pid is not None and _is_alive(pid) else ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid != 0
