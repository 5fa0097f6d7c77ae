"""The diary of training: one JSON line an event, beside the models."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from participant.errors import DiskError
from participant.files import make_folder
from participant.link import Traffic

Event = dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """Appends to ``path`` and passes each event on to whoever shows it.

    An event has ``round``, ``event``, ``time`` (ISO 8601, UTC), ``bytes_up`` and ``bytes_down`` (of
    this process so far), and the event's own facts; seconds are floats.
    """

    path: Path
    traffic: Traffic
    show: Callable[[Event], None]

    def record(self, number: int, event: str, facts: dict[str, Any]) -> None:
        """Take down what happened in a round; raises DiskError."""
        entry = {
            "round": number,
            "event": event,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "bytes_up": self.traffic.up,
            "bytes_down": self.traffic.down,
            **facts,
        }
        make_folder(self.path.parent)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(as_line(entry) + "\n")
        except OSError as error:
            raise DiskError(self.path, error.strerror or type(error).__name__) from error
        self.show(entry)


def as_line(entry: Event) -> str:
    """An event in one line of JSON; what JSON has no form for, such as an array, as text."""
    return json.dumps(entry, default=_plain, allow_nan=True)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)
