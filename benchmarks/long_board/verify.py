"""An auditor and a long board: writing the record, writing it again, and verifying all of it."""

import shutil
import sys
from typing import Any

from benchmarks.long_board import floor
from benchmarks.long_board.cost import cost_of
from benchmarks.long_board.generator import LongBoard

_PYTHON = [sys.executable, "-m"]


def measure(made: LongBoard) -> dict[str, Any]:
    """The costs of each command. Raises CommandFailed, also where verify finds a failure."""
    record = made.folder / "record"
    shutil.rmtree(record, ignore_errors=True)
    place = [str(made.terms), "--out", str(record), "--data", str(made.data)]
    export = [*_PYTHON, "aggregator", "export", *place]
    verify = [*_PYTHON, "participant", "verify", str(record)]
    return {
        "export": cost_of(export).facts(),
        "export again": cost_of(export).facts(),
        "verify": cost_of(verify).facts(),
        "alone": floor.measure(record),
    }
