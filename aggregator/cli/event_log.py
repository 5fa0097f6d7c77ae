"""The service's log: one line an event, on standard error, never a traceback."""

import logging
import sys
from datetime import UTC, datetime

from protocol.words import line


class OneLine(logging.Formatter):
    """Time in UTC, level if it is not routine, and the message on one line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return line(f"{moment} {level}{record.getMessage()}")  # some of it is others' words


def start_log() -> None:
    """Write everything from level INFO on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("quorate").setLevel(logging.INFO)
