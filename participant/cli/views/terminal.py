"""What a hospital's agent writes to people and programs: the only place that writes to a terminal.

Every line goes through ``protocol.words.foreign``, so that no name, reason or library's message
steers the terminal, whoever forgot to think of it.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import typer
from rich.console import Console

from protocol.programs.streams import of_standard_output
from protocol.words import json_text, line

_json: list[TextIO] = []  # the last: where lines of JSON go, if not to standard output


@contextlib.contextmanager
def only_json(is_due: bool) -> Iterator[None]:
    """Keep standard output for lines of JSON; what else is written to it goes to standard error.

    An app prints, and so do its threads, its workers and the programs that it runs.
    """
    stream = sys.stdout
    if not is_due or stream is None:
        yield
        return
    with _moved_aside(stream) as own:
        _json.append(own)
        try:
            yield
        finally:
            _json.pop()


@contextlib.contextmanager
def _moved_aside(stream: TextIO) -> Iterator[TextIO]:
    """Where a stream has written to; it writes to standard error until the end."""
    try:
        number, aside = stream.fileno(), sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # no streams of the system's
        with contextlib.redirect_stdout(sys.stderr):
            yield stream
        return
    stream.flush()
    with open(os.dup(number), "w", encoding="utf-8") as own:
        os.dup2(aside, number)
        try:
            yield of_standard_output(own)
        finally:
            with contextlib.suppress(OSError, ValueError):  # the app may have closed it
                stream.flush()
            os.dup2(own.fileno(), number)


def say(text: str = "", err: bool = False) -> None:
    """One line, on standard output or standard error; none where an app has closed it."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None and not stream.closed:
        typer.echo(line(text), file=stream)


def say_json(value: object, default: Callable[[object], object] | None = None) -> None:
    """One line of JSON on standard output, however long."""
    typer.echo(json_text(value, default=default), file=_json[-1] if _json else None)


def agrees(question: str, err: bool = False) -> bool:
    """The answer of the person at the terminal; raises typer.Abort where nobody answers."""
    return typer.confirm(line(question), err=err)


def new_console(stderr: bool = False) -> Console:
    """A terminal for what is redrawn in place; square brackets in a name are no commands to it."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
