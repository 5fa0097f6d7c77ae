"""One core's time; only the standard library, since peers' scripts use it in theirs.

The processor's time of this process, not the clock's: what else runs on the machine counts less.
"""

import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any


def pin() -> None:
    """Keep this process on one core, the last that it may use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def median_seconds(work: Callable[[], Any], runs: int) -> float:
    """The median over some runs of the same work."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def cpu_of(pid: int) -> float:
    """Seconds of processors that a process has had which runs; for Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """Its model's name."""
    with Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


class Stopwatch:
    """Seconds of each named part of a piece of work, added up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count what is done inside to ``part``."""
        began = time.process_time()
        yield
        taken = time.process_time() - began
        self.seconds[part] = self.seconds.get(part, 0.0) + taken


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Mean, median, least and greatest of a few measured times, to a millisecond."""
    found = {
        "mean": statistics.mean(seconds),
        "median": statistics.median(seconds),
        "min": min(seconds),
        "max": max(seconds),
    }
    return {name: round(value, 3) for name, value in found.items()}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each part over some runs, to a microsecond."""
    return {part: round(statistics.median(run[part] for run in runs), 6) for part in runs[0]}
