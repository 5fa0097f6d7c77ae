"""What makes files last, and what the operating system refuses."""

import contextlib
import os
from pathlib import Path

from aggregator.errors import StoreFull
from protocol.programs.refusals import refusals


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    """Raises StoreFull for what the operating system refuses."""
    return refusals(path, StoreFull.of)
