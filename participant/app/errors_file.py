"""Tracebacks, kept in files of a hospital's folder."""

import traceback
from datetime import UTC, datetime
from pathlib import Path

from participant.disk import make_folder, write_new
from protocol.words import lines


def keep_traceback(error: BaseException, folder: Path) -> Path:
    """Write an error's traceback to a new file in ``folder`` and return its path."""
    return keep_traceback_text(traceback_of(error), folder)


def keep_traceback_text(text: str, folder: Path) -> Path:
    """The same of a traceback that another process has written down."""
    make_folder(folder)
    now = datetime.now(UTC)
    path = folder / f"error-{now:%Y%m%dT%H%M%S}-{now.microsecond:06}.txt"
    write_new(path, lines(text).encode())
    return path


def traceback_of(error: BaseException) -> str:
    """The lines of an error's traceback."""
    return "".join(traceback.format_exception(error))
