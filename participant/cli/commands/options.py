"""Arguments and options that several commands share, and what they lead to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from participant.cli.sentences.sentence import Context
from participant.home.folders import home_folder
from participant.home.membership import Membership, check_before_asking, enter
from participant.home.passphrase import obtain
from participant.home.passphrase_change import finish
from participant.home.terms_file import TermsFile, read_signed_terms, read_terms
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind
from protocol.programs.look import kind_of

FEDERATION = Path("federation.toml")

FederationFile = Annotated[
    Path, typer.Argument(help="The terms of the federation.", metavar="FEDERATION")
]
FederationOption = Annotated[
    Path, typer.Option("--federation", help="The terms of the federation.", metavar="FILE")
]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Data folder; else $QUORATE_HOME, else ~/.quorate."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="File with the passphrase; else $QUORATE_PASSPHRASE, else asked."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Agree without being asked, for services.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


def seconds(value: float | None) -> float | None:
    """What is no number of seconds passes every comparison with a range."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter(f"it must be {LEAST_SECONDS} or more seconds")
    return value


LEAST_SECONDS = 0.1
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=LEAST_SECONDS,
        metavar="SECONDS",
        callback=seconds,
        help="Give up after so long; else wait for ever.",
    ),
]


def at_home(ctx: typer.Context, home: Path | None) -> Path:
    """The data folder, kept for the case of an error."""
    folder = home_folder(home)
    _context(ctx).home = folder
    _context(ctx).is_home_given = home is not None
    found = kind_of(folder)
    if found not in (None, Kind.HOME, Kind.FOLDER):
        raise WrongKind(str(folder), str(found), "home")
    finish(folder)  # a change of the passphrase that was broken off, if there is one
    return folder


def terms_in(ctx: typer.Context, file: Path, signed: bool) -> TermsFile:
    """The terms in a file, kept for the case of an error; ``signed``: by all, or it raises."""
    context = _context(ctx)
    context.file = file
    found = read_terms(file)
    context.terms = found.terms
    return read_signed_terms(file) if signed else found


def membership(
    ctx: typer.Context,
    file: Path,
    home: Path | None,
    passphrase_file: Path | None,
    needs_key: bool = False,
) -> Membership:
    """The member that this identity is, once all have signed the terms.

    needs_key: the command is of no use before the ceremony, which is told before the passphrase.
    """
    terms = terms_in(ctx, file, signed=True)
    folder = at_home(ctx, home)
    check_before_asking(terms.terms, folder, needs_key)
    return enter(terms, folder, obtain(passphrase_file, new=False))


def _context(ctx: typer.Context) -> Context:
    context = ctx.obj
    assert isinstance(context, Context)
    return context
