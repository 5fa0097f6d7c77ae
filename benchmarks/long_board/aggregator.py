"""The aggregator's process and a long board: starts, ticks and status reports, each in a process.

The first start finds no summary of the board and makes one; the next one goes on from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aggregator.identity import load_key
from aggregator.server import Aggregation, Aggregator
from aggregator.store import BoardStore

if TYPE_CHECKING:  # what it imports is no part of an aggregator's process
    from benchmarks.long_board.generator import LongBoard

_TIMES = 20


def measure(made: LongBoard) -> dict[str, Any]:
    """By start: its CPU seconds, most MiB of the process, ms of CPU of a tick and of a report."""
    store = BoardStore(made.stored)
    store.keep_summary(b"")
    store.close()
    return {name: _started(made) for name in ("first start", "next start")}


def _started(made: LongBoard) -> dict[str, float]:
    command = [sys.executable, "-m", __name__, *map(str, (made.terms, made.data, made.stored))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _start(terms: Path, data: Path, stored: Path) -> dict[str, float]:
    federation, key = Aggregation(terms, data).terms, load_key(data)
    began = time.process_time()
    service = Aggregator(federation, key, stored, lambda: time.time_ns() // 1_000_000)
    start = time.process_time() - began
    service.tick()  # which stores a summary, if one is due
    found = {
        "cpu_seconds": start,
        "tick_ms": _ms(service.tick),
        "report_ms": _ms(lambda: service.status({})),
        "peak_mib": _peak_kib() / 1024,
    }
    service.close()
    return {name: round(value, 3) for name, value in found.items()}


def _peak_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(_TIMES):
        work()
    return 1000 * (time.process_time() - began) / _TIMES


if __name__ == "__main__":
    print(json.dumps(_start(*map(Path, sys.argv[1:]))))
