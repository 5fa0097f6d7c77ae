"""``init``, ``card``, ``terms`` and ``address``: who there is, and where the aggregator is."""

from pathlib import Path
from typing import Annotated

import typer

from participant.cli.commands.new_terms import NewTerms, option_of
from participant.cli.commands.succeeding_terms import SucceedingTerms, option_that_changes
from participant.cli.views import agrees, say, say_json, show_terms
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
    CannotRevoke,
    Card,
    OtherPredecessor,
    TermsFile,
    UnsaidLeaving,
    check_may_sign,
    federation_folder,
    obtain,
    read_aggregator_card,
    read_card,
    read_terms,
    require_identity,
    sign_file,
    write_terms,
)
from participant.home import identity as identities
from participant.words.fingerprint import fingerprint
from protocol.encoding import encode_binary
from protocol.terms import AddressCard, Terms, check_succession, fault_of_name, normal
from protocol.words import pasted

OldTerms = Annotated[
    Path | None, typer.Option("--old", help="The terms that these succeed, to see what changes.")
]
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
    show_terms(terms_in(ctx, file, signed=False))
    say()
    say(f"Each member, after a look at it: quorate-participant terms sign {context.pasted}")


@terms_app.command("succeed")
@spread
def succeed(ctx: typer.Context, given: SucceedingTerms, old: FederationFile = FEDERATION) -> None:
    """Write new terms that succeed old ones: members join, leave or have new machines.

    Members that stay keep their order. Without --new-key the key is handed over.
    """
    context = context_of(ctx)
    check_new(given.out)
    before = terms_in(ctx, old, signed=True)
    context.option_of = option_that_changes
    terms, card = given.terms(before), given.card(before)
    _check_leaving(given, before.terms)
    check_succession(before.terms, terms)
    write_terms(given.out, terms, card)
    show_terms(terms_in(ctx, given.out, signed=False), before.terms)
    say()
    say("Each new member, after a look at it:")
    say(f"quorate-participant terms sign {context.pasted} --old {pasted(old)}")


def _check_leaving(given: SucceedingTerms, old: Terms) -> None:
    """A handover is for those who leave in peace; asks whether they do, if nobody has said."""
    names = tuple(normal(name) for name in given.remove or ())
    if given.new_key or not names:
        return
    is_expelled = given.expelled
    if not (given.leaves_in_peace or is_expelled):
        who = ", ".join(names)
        say("A handover gives the key to the others. It takes it from nobody who keeps an old key")
        say("share. Answer no where somebody is expelled, or a key is suspected.")
        try:
            is_expelled = not agrees(f"Can {who} be trusted to erase its key share and backups?")
        except typer.Abort:
            raise UnsaidLeaving(names) from None
    if is_expelled:
        raise CannotRevoke(names, old.quorum)


@terms_app.command("sign")
@spread
def sign(given: Given, yes: Yes = False, old: OldTerms = None) -> None:
    """Sign the terms, after a look at them; adds a block at the end of the file."""
    found, folder = given.terms(signed=False), given.folder()
    before = succeeded(found, old)
    require_identity(folder)
    identity = identities.load(folder, given.passphrase())
    check_may_sign(found, identity, folder)
    show_terms(found, before)
    say()
    if not (yes or agrees(f"Sign these terms as {identity.name}?")):
        raise NotAgreed(f"the terms in {given.file}")
    block = sign_file(found, identity, folder)
    say(f"Signed by {identity.name}. Added to {given.file}, or to be added there by whoever")
    say("collects the signatures:")
    for row in block.splitlines():
        say(row)


@terms_app.command("show")
def show(ctx: typer.Context, file: FederationFile = FEDERATION, old: OldTerms = None) -> None:
    """Show the terms and who has signed; exit code 1 while a signature is missing."""
    found = terms_in(ctx, file, signed=False)
    show_terms(found, succeeded(found, old))
    if unsigned := found.unsigned():
        raise unsigned
    say()
    if found.terms.takes_over_key:
        say("All have signed. Next, old and new members alike:")
        say(f"quorate-participant handover {ctx.obj.pasted}")
    else:
        say(f"All have signed. Next: quorate-participant ceremony {ctx.obj.pasted}")


def succeeded(file: TermsFile, old: Path | None) -> Terms | None:
    """The terms that these succeed, if they are given; raises OtherPredecessor, BadTerms."""
    if old is None:
        return None
    found, before = read_terms(old), file.terms.predecessor
    if before is None:
        raise OtherPredecessor(old, "")
    if before.federation != found.terms.federation:
        raise OtherPredecessor(old, fingerprint(before.federation))
    check_succession(found.terms, file.terms)
    return found.terms


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
