"""What the operating system refuses a service."""

from contextlib import AbstractContextManager
from pathlib import Path

from aggregator.errors import StoreFull
from protocol.programs.refusals import refusals


def disk_errors(path: Path) -> AbstractContextManager[None]:
    """Raises StoreFull for what the operating system refuses."""
    return refusals(path, StoreFull.of)
