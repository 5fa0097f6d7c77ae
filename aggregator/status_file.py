"""What a running service leaves for ``status`` to read: its report, and who is connected."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aggregator.errors import StoreFull

STATUS_NAME = "status.json"


def write_status(folder: Path, report: Mapping[str, object]) -> None:
    """Put a report in place of the last one; readers see one or the other. Raises StoreFull.

    It is not fsynced: after a power cut no service is running, and the board tells everything.
    """
    path = folder / STATUS_NAME
    aside = path.with_suffix(".tmp")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(report))
        aside.replace(path)
    except OSError as error:
        raise StoreFull.of(path, error) from None


def read_status(folder: Path) -> dict[str, object] | None:
    """The last report, None if there is none that reads."""
    try:
        return msgspec.json.decode((folder / STATUS_NAME).read_bytes(), type=dict[str, object])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def remove_status(folder: Path) -> None:
    """Forget what an earlier service reported."""
    with contextlib.suppress(OSError):
        (folder / STATUS_NAME).unlink()
