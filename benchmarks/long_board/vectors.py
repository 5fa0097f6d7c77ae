"""What vectors take on the aggregator's disk, before it deletes those of old rounds and after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from aggregator.identity import load_key
from aggregator.server import Aggregation, Aggregator
from benchmarks.long_board.generator import LongBoard


def measure(made: LongBoard) -> dict[str, Any]:
    """Bytes of all blobs, a round, before and after; CPU seconds to delete. It changes the folder.

    A service that was there all the time has deleted them round by round.
    """
    federation, key = Aggregation(made.terms, made.data).terms, load_key(made.data)
    before = _bytes_in(made.stored / "blobs")
    service = Aggregator(federation, key, made.stored, lambda: time.time_ns() // 1_000_000)
    began = time.process_time()
    while service.tick():
        pass
    seconds = time.process_time() - began
    service.close()
    after = _bytes_in(made.stored / "blobs")
    return {
        "blob_bytes_a_round_before": round(before / made.rounds),
        "blob_bytes_a_round_after": round(after / made.rounds),
        "cpu_seconds": round(seconds, 3),
    }


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
