"""``init``, ``card``, ``terms`` and ``address``: who there is, and where the aggregator is."""

from pathlib import Path
from typing import Annotated

import typer

from keyshare.ceremony import LEAST_KEY_BITS
from participant.cli.commands.new_terms import NewTerms, option_of
from participant.cli.views import agrees, say, say_json
from participant.cli.work import (
    FEDERATION,
    FederationFile,
    Given,
    Home,
    Json,
    PassphraseFile,
    Yes,
    at_home,
    context_of,
    spread,
    terms_in,
)
from participant.disk import check_new
from participant.errors import BadName, FileExists, NotAgreed
from participant.home import (
    CARD_NAME,
    IDENTITY_NAME,
    Address,
    Card,
    TermsFile,
    check_may_sign,
    federation_folder,
    obtain,
    read_aggregator_card,
    read_card,
    require_identity,
    sign_file,
    write_terms,
)
from participant.home import identity as identities
from protocol.encoding import encode_binary
from protocol.terms import AddressCard, fault_of_name, normal
from protocol.words.counted import counted
from protocol.words.duration import duration

terms_app = typer.Typer(help="What every member signs before any cryptography.")


def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="The hospital's name, as in the terms.")],
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
@spread
def new(ctx: typer.Context, given: NewTerms, file: FederationFile = FEDERATION) -> None:
    """Write the terms of a new federation, for all members to sign."""
    context = context_of(ctx)
    context.file = file
    check_new(file)
    terms = given.terms()
    context.option_of = option_of
    write_terms(file, terms, given.card())
    _show_terms(terms_in(ctx, file, signed=False))
    say()
    say(f"Each member, after a look at it: quorate-participant terms sign {context.pasted}")


@terms_app.command("sign")
@spread
def sign(given: Given, yes: Yes = False) -> None:
    """Sign the terms, after a look at them; adds a block at the end of the file."""
    found, folder = given.terms(signed=False), given.folder()
    require_identity(folder)
    identity = identities.load(folder, given.passphrase())
    check_may_sign(found, identity, folder)
    _show_terms(found)
    say()
    if not (yes or agrees(f"Sign these terms as {identity.name}?")):
        raise NotAgreed(f"the terms in {given.file}")
    block = sign_file(found, identity, folder)
    say(f"Signed by {identity.name}. Added to {given.file}, or to be added there by whoever")
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


def address(
    given: Given,
    take: Annotated[
        Path | None,
        typer.Option(help="Take this newer card of the aggregator, its aggregator.toml."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show where the aggregator is, or take a newer card, which its key has signed."""
    file, home = given.terms(signed=False), given.folder()
    require_identity(home)
    folder = federation_folder(home, file.terms.federation)
    found, is_new = Address(file.terms.aggregator_key, file.card, folder), False
    if take is not None:
        is_new = found.take(read_aggregator_card(take))
        if found.trouble:
            raise found.trouble
    card = found.newest
    if as_json:
        say_json(
            {
                "event": "taken" if is_new else "unchanged",
                "number": card.number,
                "url": card.url,
                "tls": card.trust,
            }
        )
        return
    if take is not None and not is_new:
        say("This hospital has this card already: nothing to do.")
    _show_address(card)


def _show_card(folder: Path, shown: Card) -> None:
    say(f"Card: {folder / CARD_NAME}")
    say(f"  name         {shown.name}")
    say(f"  key          {encode_binary(shown.key)}")
    say(f"  fingerprint  {shown.fingerprint}")


def _show_address(card: AddressCard) -> None:
    """The card in lines."""
    trust = "public certificate authorities" if card.is_public else f"pinned key {card.trust}"
    say(f"The aggregator's card {card.number}")
    say(f"  url   {card.url}")
    say(f"  tls   {trust}")


def _show_terms(file: TermsFile) -> None:
    terms, unsigned = file.terms, file.unsigned()
    say(f"Terms of {terms.name}")
    say(f"  fingerprint   {file.fingerprint}")
    say(f"  quorum        {terms.quorum} of {terms.n_members}, {terms.key_bits}-bit key")
    if terms.has_small_key:
        say(
            f"  WARNING       A key of {terms.key_bits} bits can be broken: it protects no data. "
            f"Terms for a test alone. Data needs {LEAST_KEY_BITS} bits or more."
        )
    if file.card is not None:
        say(f"  aggregator    {file.card.url} (card {file.card.number}, which no member signs)")
    say(
        f"  ceremony      given up when a step has lasted {duration(terms.step_seconds)}, counted "
        "once all have joined"
    )
    floors = terms.floors
    say(
        f"  floors        no study may have sums of fewer than {terms.least_contributors} "
        f"hospitals. {counted(floors.assumed_colluders, 'member')} may put together what they know"
    )
    does = "refuse to open" if floors.differencing == "refuse" else "warn, and open,"
    say(
        f"  differencing  hospitals {does} a sum where it shows, with all others of any study, "
        f"fewer than {terms.least_difference} members"
    )
    say("  studies       what is computed is no part of the terms: hospitals approve each study")
    say("  members")
    for number, member in enumerate(terms.members, start=1):
        state = "signed"
        if unsigned and member.name in unsigned.missing:
            state = "not signed"
        elif unsigned and member.name in unsigned.wrong:
            state = "signature does not fit"
        say(f"    {number}  {member.name}: {state}")
        say(f"       {Card(member.name, member.key).fingerprint}")
