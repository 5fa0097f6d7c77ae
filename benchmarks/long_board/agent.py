"""A hospital's agent and a long board: a command that reads it first, and the same once more.

The command asks how the studies stand. It reads the board up to its head, and says nothing.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.long_board.cost import cost_of
from benchmarks.long_board.generator import PASSPHRASE, LongBoard, linked
from examples.demo.processes import aggregator, wait_for
from participant import Hospital

_MODULE = "benchmarks.long_board.agent"


def measure(made: LongBoard) -> dict[str, Any]:
    """The costs of both. Raises CommandFailed."""
    with TemporaryDirectory(dir=made.folder) as folder:
        place = Path(folder)
        shutil.copytree(made.hospitals[0].home, place / "home")
        shutil.copytree(made.data, place / "aggregator", copy_function=linked)
        with _serving(made, place):
            return {name: _looked(made, place) for name in ("first start", "start again")}


@contextmanager
def _serving(made: LongBoard, place: Path) -> Iterator[None]:
    log = place / "log"
    with aggregator(made.terms, place / "aggregator", log) as process:
        wait_for("the aggregator", lambda: "serving on" in log.read_text(), [process], 300)
        yield


def _looked(made: LongBoard, place: Path) -> dict[str, Any]:
    out = place / "facts.json"
    command = [sys.executable, "-m", _MODULE, str(made.terms), str(place / "home"), str(out)]
    return {**cost_of(command).facts(), **json.loads(out.read_text())}


def _look(terms: str, home: str, out: str) -> None:
    hospital = Hospital.open(terms, passphrase=PASSPHRASE, home=home)
    asyncio.run(hospital.studies(timeout=600))
    Path(out).write_text(json.dumps({"bytes_down": hospital.traffic.down}))


if __name__ == "__main__":
    _look(*sys.argv[1:])
