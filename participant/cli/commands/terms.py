"""``init``, ``card`` and ``terms``: before there is any key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from participant.cli.commands.options import (
    FEDERATION,
    FederationFile,
    Home,
    PassphraseFile,
    Yes,
    at_home,
    terms_in,
)
from participant.cli.views.terminal import agrees, say
from participant.disk.files import check_new
from participant.errors import BadName, Declined, FileExists
from participant.home import identity as identities
from participant.home.identity import CARD_NAME, IDENTITY_NAME, Card, read_card
from participant.home.membership import require_identity
from participant.home.passphrase import obtain
from participant.home.terms_file import (
    TermsFile,
    check_may_sign,
    members_of,
    read_aggregator_card,
    sign_file,
    write_terms,
)
from protocol.encoding import encode_binary
from protocol.terms.names import fault_of_name, normal
from protocol.terms.terms import LEAST_KEY_BITS, RoundPolicy, Terms, floor
from protocol.words.duration import duration

terms_app = typer.Typer(help="What every member signs before any cryptography.")
_OPTIONS = {  # of terms new, by the field that holds what was given
    "federation.name": "--name",
    "federation.quorum": "--quorum",
    "federation.key_bits": "--key-bits",
    "federation.suite": "--suite",
    "federation.step_seconds": "--step-seconds",
    "members": "--member",
    "rounds.count": "--rounds",
    "rounds.min_contributors": "--min-contributors",
    "rounds.seconds": "--seconds",
    "rounds.statistic_seconds": "--statistic-seconds",
    "rounds.min_difference": "--min-difference",
    "rounds.differencing": "--differencing",
    "quantisation.clip": "--clip",
    "quantisation.bits": "--bits",
    "quantisation.max_examples": "--max-examples",
}


def add_to(app: typer.Typer) -> None:
    """Put these commands under the program's name."""
    app.command()(init)
    app.command()(card)
    app.add_typer(terms_app, name="terms", no_args_is_help=True)


def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", help="The hospital's name, as in the terms.")],
    home: Home = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make this hospital's identity, sealed with a passphrase, and its public card."""
    folder = at_home(ctx, home)
    for path in (folder / IDENTITY_NAME, folder / CARD_NAME):
        if path.exists():
            raise FileExists(path)
    if reason := fault_of_name(normal(name)):
        raise BadName(name, reason)
    made = identities.create(folder, name, obtain(passphrase_file, new=True))
    say(f"Identity of {made.name}: {folder / IDENTITY_NAME} (keep a copy in a safe)")
    _show_card(folder, made.card)


def card(ctx: typer.Context, home: Home = None) -> None:
    """Show this hospital's public card and its fingerprint in words."""
    folder = at_home(ctx, home)
    _show_card(folder, read_card(folder / CARD_NAME))


@terms_app.command("new")
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", help="The federation's name.")],
    member: Annotated[
        list[Path], typer.Option("--member", help="A member's card; once for each member.")
    ],
    aggregator: Annotated[
        Path, typer.Option("--aggregator", help="The card that quorate-aggregator init made.")
    ],
    quorum: Annotated[int, typer.Option("--quorum", help="Members it takes to decrypt.")],
    file: FederationFile = FEDERATION,
    key_bits: Annotated[int, typer.Option("--key-bits", help="Length of N.")] = 3072,
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds of training.")] = 10,
    min_contributors: Annotated[
        int | None,
        typer.Option("--min-contributors", help="Fewest in a sum; else quorum, or max(f, 1) + 2."),
    ] = None,
    min_difference: Annotated[
        int | None,
        typer.Option(
            "--min-difference",
            help="Fewest members by which sums from one model may differ; else max(f, 1) + 2.",
        ),
    ] = None,
    differencing: Annotated[
        str, typer.Option("--differencing", help="Where they differ by fewer: refuse, or warn.")
    ] = "refuse",
    seconds: Annotated[
        int, typer.Option("--seconds", help="How long a round waits for the last ones.")
    ] = 600,
    statistic_seconds: Annotated[
        int, typer.Option("--statistic-seconds", help="The same for a statistic.")
    ] = 3600,
    clip: Annotated[
        float,
        typer.Option("--clip", help="Largest change of a weight; a larger update stays at home."),
    ] = 8.0,
    bits: Annotated[int, typer.Option("--bits", help="Bits of a weight, 8 to 40.")] = 32,
    max_examples: Annotated[
        int, typer.Option("--max-examples", help="Most examples of one member.")
    ] = 100_000,
    allow_minority_quorum: Annotated[
        bool, typer.Option("--allow-minority-quorum", help="Allow a quorum of half or fewer.")
    ] = False,
    allow_small_key: Annotated[
        bool,
        typer.Option(
            "--allow-small-key", help="Allow fewer than 2048 bits: for tests, never for data."
        ),
    ] = False,
    suite: Annotated[
        str, typer.Option("--suite", help="How updates are encrypted: auto takes the cheaper one.")
    ] = "auto",
    step_seconds: Annotated[
        int, typer.Option("--step-seconds", help="How long a ceremony's step waits for the last.")
    ] = 3600,
) -> None:
    """Write the terms of a new federation, for all members to sign."""
    ctx.obj.file = file
    check_new(file)
    members = members_of([read_card(path) for path in member])
    least = floor(len(members))
    policy = RoundPolicy(
        rounds,
        max(quorum, least) if min_contributors is None else min_contributors,
        seconds,
        statistic_seconds,
        least if min_difference is None else min_difference,
        differencing,  # type: ignore[arg-type]  # checked when the terms are
    )
    address = read_aggregator_card(aggregator)
    terms = Terms(
        normal(name),
        members,
        quorum,
        key_bits,
        allow_minority_quorum,
        allow_small_key,
        address,
        policy,
        clip,
        bits,
        max_examples,
        suite,  # type: ignore[arg-type]  # checked when the terms are
        step_seconds,
    )
    ctx.obj.options = _OPTIONS
    write_terms(file, terms)
    _show_terms(terms_in(ctx, file, signed=False))
    say()
    say(f"Each member, after a look at it: quorate-participant terms sign {ctx.obj.pasted}")


@terms_app.command("sign")
def sign(
    ctx: typer.Context,
    file: FederationFile = FEDERATION,
    home: Home = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    """Sign the terms, after a look at them; adds a block at the end of the file."""
    found = terms_in(ctx, file, signed=False)
    folder = at_home(ctx, home)
    require_identity(folder)
    identity = identities.load(folder, obtain(passphrase_file, new=False))
    check_may_sign(found, identity, folder)
    _show_terms(found)
    say()
    if not (yes or agrees(f"Sign these terms as {identity.name}?")):
        raise Declined(f"the terms in {file}")
    block = sign_file(found, identity, folder)
    say(f"Signed by {identity.name}. Added to {file}, or to be added there by whoever")
    say("collects the signatures:")
    for row in block.splitlines():
        say(row)


@terms_app.command("show")
def show(ctx: typer.Context, file: FederationFile = FEDERATION) -> None:
    """Show the terms and who has signed; exit code 1 while a signature is missing."""
    found = terms_in(ctx, file, signed=False)
    _show_terms(found)
    if unsigned := found.unsigned():
        raise unsigned
    say()
    say(f"All have signed. Next: quorate-participant ceremony {ctx.obj.pasted}")


def _show_card(folder: Path, shown: Card) -> None:
    say(f"Card: {folder / CARD_NAME}")
    say(f"  name         {shown.name}")
    say(f"  key          {encode_binary(shown.key)}")
    say(f"  fingerprint  {shown.fingerprint}")


def _show_terms(file: TermsFile) -> None:
    terms, unsigned = file.terms, file.unsigned()
    rounds = terms.rounds
    say(f"Terms of {terms.name}")
    say(f"  fingerprint   {file.fingerprint}")
    say(f"  quorum        {terms.quorum} of {terms.n_members}, {terms.key_bits}-bit key")
    if terms.has_small_key:
        say(
            f"  WARNING       A key of {terms.key_bits} bits can be broken: it protects no data. "
            f"Terms for a test alone. Data needs {LEAST_KEY_BITS} bits or more."
        )
    say(f"  aggregator    {terms.aggregator.url}")
    say(
        f"  ceremony      given up when a step has lasted {duration(terms.step_seconds)}, counted "
        "once all have joined"
    )
    say(
        f"  rounds        {rounds.count}, each of at least {terms.least_contributors} "
        f"contributors, {rounds.seconds} s (statistics: {rounds.statistic_seconds} s)"
    )
    does = "refuse to decrypt" if rounds.differencing == "refuse" else "warn"
    say(
        f"  differencing  {does} where sums from one model differ by fewer than "
        f"{terms.least_difference} members"
    )
    say(f"  encryption    suite {terms.suite}")
    say(
        f"  quantisation  {terms.precision_bits} bits at most, a weight changes by at most "
        f"{terms.clip:g}, at most {terms.max_examples} examples; both are the first round's, and "
        "later ones follow what hospitals need"
    )
    say(
        "  opened        in each round: the average, and the sum of the numbers of examples; who is"
    )
    say("                part of one round and not of another shows its number by the difference")
    say("  members")
    for number, member in enumerate(terms.members, start=1):
        state = "signed"
        if unsigned and member.name in unsigned.missing:
            state = "not signed"
        elif unsigned and member.name in unsigned.wrong:
            state = "signature does not fit"
        say(f"    {number}  {member.name}: {state}")
        say(f"       {Card(member.name, member.key).fingerprint}")
