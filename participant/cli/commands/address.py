"""``address``: where the aggregator is, by the newest of its cards."""

from pathlib import Path
from typing import Annotated

from typer import Option

from participant.cli.commands.options import Given, Json
from participant.cli.views import say, say_json
from participant.home import Address, federation_folder, read_aggregator_card, require_identity
from protocol.terms import AddressCard


def address(
    given: Given,
    take: Annotated[
        Path | None, Option(help="Take this newer card of the aggregator, its aggregator.toml.")
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
    show(card)


def show(card: AddressCard) -> None:
    """The card in lines."""
    trust = "public certificate authorities" if card.is_public else f"pinned key {card.trust}"
    say(f"The aggregator's card {card.number}")
    say(f"  url   {card.url}")
    say(f"  tls   {trust}")
