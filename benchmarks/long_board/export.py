"""A coordinator and a long board: the record, it again, and how things stand without a service.

A service has been at work on the board, so that there is a summary of it.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.long_board.cost import cost_of
from benchmarks.long_board.generator import LongBoard

_AGGREGATOR = [sys.executable, "-m", "aggregator"]


def measure(made: LongBoard, record: Path) -> dict[str, Any]:
    """The costs of each command; record: the folder that is written. Raises CommandFailed."""
    shutil.rmtree(record, ignore_errors=True)
    at = [str(made.terms), "--data", str(made.data)]
    export = [*_AGGREGATOR, "export", *at, "--out", str(record)]
    return {
        "export": cost_of(export).facts(),
        "export again": cost_of(export).facts(),
        "status": cost_of([*_AGGREGATOR, "status", *at]).facts(),
    }
