"""Work that outlives a full disk: it goes on, from what is stored, once there is room."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from participant.cli.working import say_aside
from participant.errors import DiskError
from participant.files import delete, write_new
from protocol.refusals import FULL

T = TypeVar("T")

_EVERY_SECONDS = 5.0
_PROBE_NAME, _PROBE_BYTES = "room.tmp", 4 << 20  # more than a chunk of a vector


def as_room_allows(
    folder: Path,
    seconds: float | None,
    work: Callable[[float | None], T],
    tell: Callable[[str], None] = say_aside,
) -> T:
    """The result of ``work``, which is done anew whenever a full disk has ended it.

    ``work`` gets the seconds that are left and goes on from what is stored, as a new process would.
    Whoever watches is told once since when nothing can be stored. Raises what ``work`` raises, and
    DiskError where the time is over first.
    """
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if end is None else max(0.1, end - time.monotonic())
        try:
            return work(left)
        except DiskError as error:
            if error.number not in FULL:
                raise
            tell(
                f"This hospital cannot store anything: {error.path}: {error.reason}. Nothing is "
                "lost. It goes on by itself once there is room, waiting since "
                f"{time.strftime('%H:%M:%S')}"
            )
            while not _has_room(folder):
                if end is not None and time.monotonic() >= end:
                    raise
                time.sleep(_EVERY_SECONDS)
            tell("There is room again: going on.")


def _has_room(folder: Path) -> bool:
    probe = folder / _PROBE_NAME
    try:
        delete(probe)
        write_new(probe, bytes(_PROBE_BYTES))
    except DiskError:
        return False
    finally:
        with contextlib.suppress(DiskError):
            delete(probe)
    return True
