"""What a hospital's own journal says of its model after each round."""

import contextlib
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from participant.disk import read
from participant.errors import DamagedFile
from participant.report.facts.facts import Diary, Metric
from protocol.words import shown

_LIMIT = 256 << 20  # bytes of a journal
_MAX_METRICS = 8


def read_journal(path: Path) -> Diary:
    """The figures of the journal's events "evaluated"; of a round evaluated twice, the last.

    Raises DamagedFile naming the line, MissingFile, TooLarge or DiskError. A last line without an
    end is being written, and does not count.
    """
    lines = read(path, _LIMIT, "journal").split(b"\n")[:-1]
    found: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for number, line in enumerate(lines, start=1):
        event = _event(path, number, line)
        if event["event"] != "evaluated":
            continue
        metrics = event.get("metrics")
        named = {"loss": event.get("loss"), **(metrics if isinstance(metrics, dict) else {})}
        for name, value in named.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                with contextlib.suppress(OverflowError):
                    found[shown(str(name))][event["round"]] = float(value)
    chosen = sorted(found, key=_importance)[:_MAX_METRICS]
    return Diary(path.name, tuple(Metric(name, _finite(found[name])) for name in chosen))


def _event(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise DamagedFile(path, f"line {number}: it is not JSON", "journal") from None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise DamagedFile(path, f"line {number}: it is no event", "journal")
    if type(event.get("round")) is not int or not 0 <= event["round"] < 1 << 31:
        raise DamagedFile(path, f"line {number}: it names no round", "journal")
    return event


def _importance(name: str) -> tuple[int, str]:
    """Accuracy first, then the loss, then the rest by name."""
    return {"accuracy": 0, "loss": 1}.get(name, 2), name


def _finite(values: dict[int, float]) -> dict[int, float]:
    return {number: values[number] for number in sorted(values) if math.isfinite(values[number])}
