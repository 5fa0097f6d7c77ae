"""Work that outlives a full disk: it goes on, from what is stored, once there is room."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from participant.agent import Steps
from participant.disk import delete, write_new
from participant.errors import DiskError
from participant.network import Notices
from protocol.programs.refusals import FULL

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 320.0  # seconds
_PROBE_NAME, _PROBE_BYTES = "room.tmp", 4 << 20  # more than a chunk of a vector


async def as_room_allows(
    folder: Path,
    seconds: float | None,
    work: Callable[[float | None], Awaitable[T]],
    notices: Notices,
    steps: Steps,
) -> T:
    """The result of ``work``, which is done anew whenever a full disk has ended it.

    ``work`` gets the seconds that are left and goes on from what is stored, as a new process would.
    Raises what ``work`` raises, and DiskError where the time is over first.
    """
    end = None if seconds is None else time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        began = time.monotonic()
        left = None if end is None else max(0.1, end - began)
        try:
            return await work(left)
        except DiskError as error:
            if error.number not in FULL:
                raise
            if time.monotonic() > began + 2 * pause:
                pause = _FIRST_PAUSE  # it got on for a while: another trouble than the last
            notices.full(error)
            if not await _waited_for_room(folder, pause, end, steps):
                raise
            notices.room()
            # It may need more room than was found. Each try calls the aggregator, so they get rare.
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _waited_for_room(folder: Path, pause: float, end: float | None, steps: Steps) -> bool:
    """Wait, so many seconds before each look; whether there is room before the time is over."""
    while True:
        left = pause if end is None else min(pause, end - time.monotonic())
        if left <= 0:
            return False
        await asyncio.sleep(left)
        if await steps.do(lambda: _has_room(folder)):
            return True


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
