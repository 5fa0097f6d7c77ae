"""Standard output and standard error that end no program, whatever becomes of who reads them.

A terminal may lack a sign, a log may lie on a full disk, a reader may have gone: what was to be
shown is escaped or lost then, and the work goes on.
"""

import contextlib
import io
import os
import select
import sys
from typing import Any, TextIO

LOST_REMEDY = "Nothing else has gone wrong. To read that part, type the command again"
_lost: list[str] = []  # why a part of standard output was


class Lasting(io.RawIOBase):
    """The bytes of a stream, as far as they can be written; what cannot be is dropped."""

    def __init__(self, below: io.RawIOBase, reasons: list[str]) -> None:
        self._below, self.name = below, getattr(below, "name", "")
        self._reasons = reasons  # of the system, why something was dropped; no reader is none

    def write(self, data: Any) -> int:
        """How many bytes are written, or dropped."""
        try:
            while (written := self._below.write(data)) is None:
                select.select([], [self._below], [])  # somebody has made it non-blocking
            return int(written)
        except BrokenPipeError:
            pass
        except OSError as error:
            self._reasons[:] = self._reasons or [error.strerror or type(error).__name__]
        return len(data)

    def writable(self) -> bool:
        """It is, always."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._below.isatty()

    def fileno(self) -> int:
        """The descriptor; raises OSError if there is none."""
        return self._below.fileno()


def make_lasting() -> None:
    """Let standard output and standard error last as long as the program, and lack no character.

    What they have no sign for is shown as its escape. Of a stream that was closed from the
    beginning no file of the program takes the number, and nobody answers at such a terminal. One
    of no columns has as many as it needs: what is wrong would be told in none.
    """
    occupy()
    if os.environ.get("COLUMNS", "").strip("0 ") == "":
        os.environ.pop("COLUMNS", None)
    _lost.clear()
    sys.stdout = of_standard_output(sys.stdout)
    sys.stderr = _lasting(sys.stderr, [])
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # for as long as it runs
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # an answer that is no text is none


def of_standard_output(stream: TextIO) -> TextIO:
    """A stream that goes where standard output went, and lasts as that does."""
    return _lasting(stream, _lost)


def lost() -> str:
    """The system's reason why a part of standard output was lost; empty if none was.

    Nobody is told of a reader that has gone: it has seen enough.
    """
    with contextlib.suppress(ValueError, AttributeError):  # closed
        sys.stdout.flush()
    return "".join(_lost)


def _lasting(stream: TextIO, reasons: list[str]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # closed, or somebody's own
    below = getattr(stream.buffer, "raw", stream.buffer)
    if not isinstance(below, io.RawIOBase):
        stream.reconfigure(errors="backslashreplace")  # a text in memory
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(Lasting(below, reasons)),
        encoding=stream.encoding,
        errors="backslashreplace",
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def occupy() -> None:
    """Let no file of the program take the number of a standard stream that is closed.

    Else what writes to that number, such as a library in C, would write into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
