"""The cards that an aggregator has signed: where it is now, and where it was.

Each stays in the folder ``cards`` under its number, so that no number is ever used twice and a
hospital that has an older card is still known. ``aggregator.toml`` beside it is the newest, for
people to hand on.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.errors import AggregatorError, StoreFull
from aggregator.identity import CARD_NAME, NoIdentity, read_card, write_new
from protocol.programs.refusals import refusals
from protocol.programs.temporary import aside
from protocol.signing import public_bytes
from protocol.terms import MAX_CARD_NUMBER, AddressCard, fault_of_url, render_card, sign_card

CARDS_NAME = "cards"


class BadAddress(AggregatorError, says="{field}: {reason}"):
    """What no card can say; ``field``: url, tls or number."""

    field: str
    reason: str


class Cards:
    """All cards of one key, in order of their numbers; reads the folder again if it has changed."""

    def __init__(self, key: Ed25519PrivateKey, folder: Path | None, *cards: AddressCard) -> None:
        """folder: the aggregator's data folder; None for these ``cards`` alone.

        Raises NoIdentity for a card that does not read or is of another key, and StoreFull.
        """
        self.key, self._folder = key, folder
        self._cards = {card.number: card for card in cards}
        self._seen: object = None
        self.look()

    @property
    def newest(self) -> AddressCard:
        """The one with the highest number."""
        return self._cards[max(self._cards)]

    def knows(self, number: int, url: str) -> bool:
        """Whether the card of this number has that address."""
        card = self._cards.get(number)
        return card is not None and card.url == url

    def pins(self, pin: bytes) -> bool:
        """Whether any card pins this key: an older one may be in use until members have moved."""
        return any(card.pin == pin for card in self._cards.values())

    def look(self) -> bool:
        """Read what is new in the folder; whether anything is. Raises as the constructor does."""
        if self._folder is None:
            return False
        folder = self._folder / CARDS_NAME
        with refusals(folder, StoreFull.of):
            paths = sorted(folder.glob("*.toml")) if folder.exists() else []
            seen = [path.name for path in paths], (self._folder / CARD_NAME).stat().st_mtime_ns
        if seen == self._seen:
            return False
        found = {card.number: card for card in map(read_card, paths)}
        # The first one lies there alone, and so may the newest if the folder was put back.
        handed = read_card(self._folder / CARD_NAME)
        found.setdefault(handed.number, handed)
        public = public_bytes(self.key)
        if wrong := [number for number, card in found.items() if card.key != public]:
            path, what = folder / f"{wrong[0]}.toml", "the aggregator's card"
            raise NoIdentity(path, what, "it is signed by another key than the one beside it")
        self._cards, self._seen = found, seen
        return True

    def make(self, url: str, pin: bytes, number: int | None = None) -> AddressCard:
        """A newer card, durable before it is returned; number: a higher one than the next.

        Raises BadAddress, IdentityExists if another process has just made it, and StoreFull.
        """
        assert self._folder is not None
        self.look()
        due = self.newest.number + 1
        if fault := fault_of_url(url):
            raise BadAddress("url", fault)
        if number is not None and number < due:
            raise BadAddress("number", f"{number}, and {due} is the next that is free")
        if (taken := due if number is None else number) > MAX_CARD_NUMBER:
            raise BadAddress("number", f"{taken}, and {MAX_CARD_NUMBER} is the last")
        card = sign_card(self.key, taken, url, pin)
        for one in (self.newest, card):  # the first has no file of its own yet
            path = self._folder / CARDS_NAME / f"{one.number}.toml"
            if one is card or not path.exists():
                write_new(path, render_card(one).encode())
        with aside(self._folder / CARD_NAME, StoreFull.of) as file:
            file.write(render_card(card).encode())
            file.take_name()
        self.look()
        return card
