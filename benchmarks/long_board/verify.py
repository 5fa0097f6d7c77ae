"""An auditor and a long board: verifying all of the record."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.long_board.cost import cost_of


def measure(record: Path) -> dict[str, Any]:
    """The cost of the command. Raises CommandFailed, also where it finds a failure."""
    verify = [sys.executable, "-m", "participant", "verify", str(record)]
    return {"verify": cost_of(verify).facts()}
