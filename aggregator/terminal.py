"""What the service writes to people and programs: its only place that writes to a terminal.

Every line goes through ``protocol.foreign``, whoever's words are in it; so does the log
(``event_log``).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

import typer

from protocol.foreign import json_text, line


def escape_what_streams_lack() -> None:
    """Let no character end the program whose terminal or log has no sign for it.

    It is shown as its escape instead, on standard output and standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> str:
    """Write out what is buffered; the system's reason if it cannot be, empty if it can.

    Nobody is told of a reader that has gone: it has seen enough.
    """
    reason = ""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed before the program began
                stream.flush()
        except BrokenPipeError:
            _let_go(stream)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            _let_go(stream)
    return reason


def _let_go(stream: TextIO) -> None:
    """Let what cannot be written go nowhere: the interpreter would fail on it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(text: str, err: bool = False) -> None:
    """One line, on standard output or standard error."""
    typer.echo(line(text), err=err)


def say_json(value: object) -> None:
    """JSON on standard output, indented."""
    typer.echo(json_text(value, indent=2))
