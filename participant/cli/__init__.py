"""The command ``quorate-participant``."""

import os
import sys
import threading

import typer

from participant.app import end_workers
from participant.cli.commands import key, verdict
from participant.cli.commands import record as recording
from participant.cli.commands import rounds as opening
from participant.cli.commands import terms as founding
from participant.cli.commands import training as work
from participant.cli.commands import verify as verifying
from participant.cli.sentences import FAILED
from participant.cli.views import SpeakingGroup, say
from protocol.programs.streams import LOST_REMEDY, lost, make_lasting

app = typer.Typer(
    name="quorate-participant",
    help="A hospital's agent in a federation whose joint key nobody holds.",
    cls=SpeakingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
founding.add_to(app)
work.add_to(app)
verdict.add_to(app)
verifying.add_to(app)
opening.add_to(app)
recording.add_to(app)
key.add_to(app)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    code: object = 0
    make_lasting()
    try:
        app()
    except SystemExit as leaving:
        code = leaving.code
    number = code if isinstance(code, int) else 0
    if (reason := lost()) and not number:
        say(f"quorate-participant: a part of the output could not be written: {reason}", err=True)
        say(f"  {LOST_REMEDY}", err=True)
        number = FAILED
    if threading.active_count() > 1:
        # A thread in the user's training code cannot be stopped, and what matters is durable.
        end_workers()
        os._exit(number)
    sys.exit(number)
