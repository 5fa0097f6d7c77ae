"""Arguments and options that several commands share, and what they lead to."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.cli.sentences import Context
from participant.home import (
    Membership,
    Passphrase,
    TermsFile,
    check_before_asking,
    enter,
    finish,
    home_folder,
    obtain,
    read_signed_terms,
    read_terms,
)
from participant.hospital import NAME_OF_STUDY
from participant.pruning import LEAST as LEAST_MODELS
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind, kind_of

FEDERATION = Path("federation.toml")
LEAST_SECONDS, PATIENCE_SECONDS = 0.1, 30.0


def study_name(name: str) -> str:
    """What can name a study; raises a usage error for anything else."""
    if not NAME_OF_STUDY.fullmatch(name):
        allowed = "a lower-case letter, then lower-case letters, digits, '.', '_' and '-'"
        raise typer.BadParameter(f"{name!r} cannot name a study: {allowed}")
    return name


FederationFile = Annotated[
    Path, typer.Argument(help="The terms of the federation.", metavar="FEDERATION")
]
FederationOption = Annotated[
    Path, typer.Option("--federation", help="The terms of the federation.", metavar="FILE")
]
Home = Annotated[
    Path | None, typer.Option(help="Data folder, else $QUORATE_HOME, else ~/.quorate.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the passphrase, else $QUORATE_PASSPHRASE, else asked."),
]
StudyOption = Annotated[
    str, typer.Option("--study", help="Name of the study.", metavar="NAME", callback=study_name)
]
Yes = Annotated[bool, typer.Option("--yes", help="Agree without being asked, for services.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]


Predecessors = Annotated[
    list[Path] | None,
    typer.Option(
        "--predecessor",
        metavar="RECORD",
        help="The record of the federation that this one succeeds. Give the option again for the "
        "one before that, and so on.",
    ),
]


KeepModels = Annotated[
    int | None,
    typer.Option(
        "--keep-models",
        min=LEAST_MODELS,
        envvar="QUORATE_KEEP_MODELS",
        metavar="N",
        help="Keep the newest N models of each study, else all.",
    ),
]


BlobsFrom = Annotated[
    str | None,
    typer.Option(
        "--blobs-from",
        envvar="QUORATE_BLOBS_FROM",
        metavar="URL",
        help="The aggregator's object store, as its operator says: large blobs go there directly.",
    ),
]


def seconds(help: str) -> Any:
    """``--timeout``, with its line of help."""
    return typer.Option(
        "--timeout", min=LEAST_SECONDS, metavar="SECONDS", callback=_number, help=help
    )


def _number(value: float | None) -> float | None:
    """What is no number of seconds passes every comparison with a range."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter(f"it must be {LEAST_SECONDS} or more seconds")
    return value


Timeout = Annotated[float | None, seconds("Give up after so long, else wait for ever.")]


@dataclass(frozen=True)
class Given:
    """Which federation a command is about, and as whom."""

    ctx: typer.Context
    file: FederationFile = FEDERATION
    home: Home = None
    passphrase_file: PassphraseFile = None

    @property
    def context(self) -> Context:
        """What is said of an error."""
        return context_of(self.ctx)

    def folder(self) -> Path:
        """The data folder."""
        return at_home(self.ctx, self.home)

    def terms(self, signed: bool) -> TermsFile:
        """The terms; ``signed``: by all, or it raises."""
        return terms_in(self.ctx, self.file, signed)

    def passphrase(self, new: bool = False) -> Passphrase:
        """The data folder's passphrase, asked for if nothing gives it."""
        return obtain(self.passphrase_file, new=new)

    def member(self, needs_key: bool = False) -> Membership:
        """The member that this identity is, once all have signed the terms.

        needs_key: the command is of no use before the ceremony, which is told before the
        passphrase.
        """
        terms, folder = self.terms(signed=True), self.folder()
        check_before_asking(terms.terms, folder, needs_key)
        return enter(terms, folder, self.passphrase())


@dataclass(frozen=True)
class GivenByOption(Given):
    """The same where the command's argument is another file."""

    file: FederationOption = FEDERATION


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose dataclass parameters stand for their fields, each an argument of its own."""
    own = signature(command, eval_str=True).parameters.values()
    groups: dict[str, type[Any]] = {
        p.name: p.annotation for p in own if hasattr(p.annotation, "__dataclass_fields__")
    }

    def run(**given: Any) -> None:
        for name, group in groups.items():
            fields = dataclasses.fields(group)
            given[name] = group(**{field.name: given.pop(field.name) for field in fields})
        command(**given)

    found = [p for g in groups.values() for p in signature(g, eval_str=True).parameters.values()]
    found += (p for p in own if p.name not in groups)
    found.sort(key=lambda p: p.default is not Parameter.empty)
    run.__signature__ = Signature(found)  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def at_home(ctx: typer.Context, home: Path | None) -> Path:
    """The data folder, kept for the case of an error."""
    context, folder = context_of(ctx), home_folder(home)
    context.home, context.is_home_given = folder, home is not None
    found = kind_of(folder)
    if found not in (None, Kind.HOME, Kind.FOLDER):
        raise WrongKind(str(folder), str(found), "home")
    finish(folder)  # a change of the passphrase that was broken off, if there is one
    return folder


def terms_in(ctx: typer.Context, file: Path, signed: bool) -> TermsFile:
    """The terms in a file, kept for the case of an error; ``signed``: by all, or it raises."""
    context = context_of(ctx)
    context.file = file
    found = read_terms(file)
    context.terms = found.terms
    return read_signed_terms(file) if signed else found


def not_with_agent(ctx: typer.Context, parameter: str) -> None:
    """Raises a usage error if what the agent that runs was told at its start is typed here."""
    source = ctx.get_parameter_source(parameter)
    if source is not None and source.name == "COMMANDLINE":
        option = f"--{parameter.replace('_', '-')}"
        reason = f"an agent runs, which does as it was told at its start: give {option} to serve"
        raise typer.BadParameter(reason, param_hint=option)


def context_of(ctx: typer.Context) -> Context:
    """What is said of an error in this command."""
    context = ctx.obj
    assert isinstance(context, Context)
    return context
