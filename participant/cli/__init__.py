"""The command ``quorate-participant``."""

import os
import sys
import threading
from collections.abc import Callable

import typer

from participant.cli.commands import (
    handover,
    key,
    record,
    rounds,
    serve,
    spread,
    study,
    terms,
    training,
    verdict,
    verify,
)
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
_COMMANDS: tuple[Callable[..., None], ...] = (
    terms.init, terms.card, training.ceremony, training.train, verdict.verdict, verify.verify,
    serve.serve, serve.stop, rounds.decrypt, rounds.public_key, rounds.contribute, rounds.status,
    record.export, record.report, terms.address, handover.handover,
)  # fmt: skip
for command in _COMMANDS:
    app.command()(spread(command))
app.add_typer(terms.terms_app, name="terms", no_args_is_help=True)
app.add_typer(study.study_app, name="study", no_args_is_help=True)
handover.add_to(key.key_app)
app.add_typer(key.key_app, name="key", no_args_is_help=True)


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
        # A step that is under way cannot be stopped, and what matters is durable.
        os._exit(number)
    sys.exit(number)
