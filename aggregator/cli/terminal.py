"""What the service writes to people and programs: its only place that writes to a terminal.

Every line goes through ``protocol.words.foreign``, whoever's words are in it; so does the log
(``event_log``).
"""

import typer

from protocol.words import json_text, line


def say(text: str, err: bool = False) -> None:
    """One line, on standard output or standard error."""
    typer.echo(line(text), err=err)


def say_json(value: object) -> None:
    """JSON on standard output, indented."""
    typer.echo(json_text(value, indent=2))
