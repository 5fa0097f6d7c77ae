"""What a running service leaves for ``status`` to read: its report, and who is connected.

On a full disk the report is written over the last one, in the blocks that it has: a new file would
find no room, and the full disk is what there is to tell.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aggregator.errors import StoreFull
from aggregator.status.report import fitting

STATUS_NAME = "status.json"
OLD_SECONDS = 60.0  # a report that is older comes from a service that cannot write any more
_BLOCK, _SPARE = 4096, 2048  # bytes of its file, and those of them that are left for a longer one


def write_status(folder: Path, report: Mapping[str, object]) -> None:
    """Put a report in place of the last one; readers see one or the other.

    It is not fsynced: after a power cut no service is running, and the board tells everything.
    Raises StoreFull where only the last one's room was left, also if the report was written there:
    a reader may then find half of it, which does not read, and asks again.
    """
    path = folder / STATUS_NAME
    aside = path.with_suffix(".tmp")
    data = msgspec.json.encode(report)
    data = data.ljust(-(-(len(data) + _SPARE) // _BLOCK) * _BLOCK)
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        with contextlib.suppress(OSError):
            _overwrite(path, report)
        raise StoreFull.of(path, error) from None


def _overwrite(path: Path, report: Mapping[str, object]) -> None:
    with path.open("r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        data = fitting(report, size)
        if len(data) <= size:
            file.write(data.ljust(size))


def touch_status(folder: Path) -> None:
    """Note that the last report is still true."""
    with contextlib.suppress(OSError):
        os.utime(folder / STATUS_NAME)


def read_status(folder: Path) -> dict[str, object] | None:
    """The last report, None if there is none that reads.

    ``report_seconds``: its age by this machine's clock.
    """
    path = folder / STATUS_NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
        return found | {"report_seconds": round(max(0.0, time.time() - path.stat().st_mtime), 1)}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def remove_status(folder: Path) -> None:
    """Forget what an earlier service reported, but for the room that it takes."""
    with contextlib.suppress(OSError), (folder / STATUS_NAME).open("r+b", buffering=0) as file:
        file.write(bytes(os.fstat(file.fileno()).st_size))
