"""The diary of training: one JSON line an event, beside the models."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from participant.disk import disk_errors, make_folder
from participant.network import Traffic
from protocol.words import json_text

Event = dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """Appends to ``path`` and passes each event on to whoever shows it.

    An event has ``study``, ``round``, ``event``, ``time`` (ISO 8601, UTC), ``bytes_up`` and
    ``bytes_down`` (of this process so far), and the event's own facts; seconds are floats.
    """

    path: Path
    study: str
    traffic: Traffic
    show: Callable[[Event], None]

    def record(self, number: int, event: str, facts: dict[str, Any]) -> None:
        """Take down what happened in a round; raises DiskError."""
        entry = {
            "study": self.study,
            "round": number,
            "event": event,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "bytes_up": self.traffic.up,
            "bytes_down": self.traffic.down,
            **facts,
        }
        make_folder(self.path.parent)
        with disk_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json_text(entry, default=plain_value) + "\n")
        self.show(entry)


def plain_value(value: object) -> object:
    """What stands in JSON for a value that it has no form for: a number, else text."""
    return value.item() if isinstance(value, np.generic) else str(value)
