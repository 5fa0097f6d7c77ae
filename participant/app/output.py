"""What an app's process prints, line by line, made fit for people: it steers nobody's terminal.

A line that is redrawn in place, as a progress bar is, is shown once, as it was at its end.
"""

import os
import threading
import time
from collections.abc import Callable

from protocol.wire import Allowance
from protocol.words import line

Show = Callable[[str, bool], None]  # a line, and whether it is of standard error
_LONGEST = 64 << 10  # bytes of a line that are kept
_AT_ONCE, _EACH_SECOND = 2_000.0, 200.0  # lines; what is beyond is counted, not shown


class Lines:
    """Bytes in, lines out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._allowance = clock, Allowance(_AT_ONCE, _EACH_SECOND)
        self._rest = b""
        self._left_out = 0

    def take(self, data: bytes) -> list[str]:
        """The lines that end in these bytes."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = _last_drawn(rest)[:_LONGEST]
        return [text for one in whole for text in self._shown(one)]

    def end(self) -> list[str]:
        """The line that was not ended, and how many were left out."""
        texts = self._shown(self._rest) if self._rest else []
        self._rest = b""
        return texts + self._told()

    def _shown(self, data: bytes) -> list[str]:
        if not self._allowance.take(self._clock()):
            self._left_out += 1
            return []
        text = _last_drawn(data).removesuffix(b"\r").decode(errors="replace")
        return [*self._told(), line(text)]

    def _told(self) -> list[str]:
        count, self._left_out = self._left_out, 0
        return [f"({count} more lines of the app are left out)"] if count else []


def _last_drawn(data: bytes) -> bytes:
    """What a terminal shows of a line whose carriage returns begin it again."""
    is_at_start = data.endswith(b"\r")
    last = data.rstrip(b"\r").rpartition(b"\r")[2]
    return last + b"\r" if is_at_start else last


class Relay:
    """Reads one stream of a process in a thread of its own, until it has ended."""

    def __init__(self, number: int, is_error: bool, show: Show) -> None:
        """number: a descriptor, which is closed at the end."""
        self._number, self._is_error, self._show = number, is_error, show
        self._thread = threading.Thread(target=self._read_all, name="output", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the last line is shown; no longer, where a worker keeps the stream open."""
        self._thread.join(seconds)

    def _read_all(self) -> None:
        lines = Lines()
        with open(self._number, "rb", buffering=0) as stream:
            while data := os.read(stream.fileno(), 1 << 16):
                self._tell(lines.take(data))
        self._tell(lines.end())

    def _tell(self, texts: list[str]) -> None:
        for text in texts:
            self._show(text, self._is_error)
