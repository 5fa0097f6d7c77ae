"""What a piece of work of many processes takes: by the clock, of the processors, and of others'."""

import os
import resource
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.timing import cpu_of

_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)  # of the times in /proc/stat: idle, and idle while a disk works


class Taken(NamedTuple):
    """Seconds; others: how many cores' time other programs had meanwhile."""

    seconds: float
    cpu_of_children: float
    cpu_of_service: float
    others: float


class Clock:
    """From its making on; for Linux. service: a process of ours that goes on running."""

    def __init__(self, service: int) -> None:
        self._service = service
        self._began = self._now()

    def read(self) -> Taken:
        """What was taken; of the children, of those that have ended since."""
        seconds, children, service, busy, own = (
            now - then for now, then in zip(self._now(), self._began, strict=True)
        )
        others = max(0.0, busy - children - service - own) / seconds
        return Taken(seconds, children, service, others)

    def _now(self) -> tuple[float, ...]:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        children = used.ru_utime + used.ru_stime
        own = time.process_time()
        return time.monotonic(), children, cpu_of(self._service), _busy(), own


def _busy() -> float:
    """Seconds of all cores together that were not idle."""
    times = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(t for place, t in enumerate(times) if place not in _IDLE) / _TICKS
