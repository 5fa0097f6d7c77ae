"""What the service writes to people and programs: its only place that writes to a terminal.

Every line goes through ``protocol.foreign``, whoever's words are in it; so does the log
(``event_log``).
"""

from __future__ import annotations

import io
import sys

import typer

from protocol.foreign import json_text, line


def escape_what_streams_lack() -> None:
    """Let no character end the program whose terminal or log has no sign for it.

    It is shown as its escape instead, on standard output and standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, err: bool = False) -> None:
    """One line, on standard output or standard error."""
    typer.echo(line(text), err=err)


def say_json(value: object) -> None:
    """JSON on standard output, indented."""
    typer.echo(json_text(value, indent=2))
