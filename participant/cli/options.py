"""Arguments and options that several commands share, and what they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from participant.cli.sentence import Context
from participant.home import home_folder
from participant.membership import Membership, enter
from participant.passphrase import obtain
from participant.passphrase_change import finish
from participant.terms_files import TermsFile, read_signed_terms, read_terms

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
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", min=0.1, metavar="SECONDS", help="Give up after so long; else wait for ever."
    ),
]


def at_home(ctx: typer.Context, home: Path | None) -> Path:
    """The data folder, kept for the case of an error."""
    folder = home_folder(home)
    _context(ctx).home = folder
    _context(ctx).is_home_given = home is not None
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
    ctx: typer.Context, file: Path, home: Path | None, passphrase_file: Path | None
) -> Membership:
    """The member that this identity is, once all have signed the terms."""
    terms = terms_in(ctx, file, signed=True)
    folder = at_home(ctx, home)
    return enter(terms, folder, obtain(passphrase_file, new=False))


def _context(ctx: typer.Context) -> Context:
    context = ctx.obj
    assert isinstance(context, Context)
    return context
