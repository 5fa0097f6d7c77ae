"""What makes files last, and what the operating system refuses."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from aggregator.errors import StoreFull


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raises StoreFull for what the operating system refuses."""
    try:
        yield
    except OSError as error:
        raise StoreFull.of(path, error) from None
