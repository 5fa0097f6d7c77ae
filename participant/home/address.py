"""Where a hospital finds the aggregator: the newest card that it has seen, which it keeps."""

from dataclasses import dataclass, field
from pathlib import Path

from participant.disk import exists, make_folder, replace
from participant.errors import DiskError
from participant.home.terms_file import read_aggregator_card
from protocol.errors import BadTerms, OlderCard
from protocol.terms import AddressCard, check_newer, render_card

ADDRESS_NAME = "aggregator.toml"


@dataclass
class Address:
    """The newest of the first card and of the one in the federation's folder.

    key: the aggregator's, by the terms. first: the card in the terms' file, None if it has none.
    """

    key: bytes
    first: AddressCard | None
    folder: Path
    trouble: DiskError | None = field(default=None, init=False)  # why the newest is not on disk
    _taken: AddressCard | None = field(default=None, init=False)

    @property
    def newest(self) -> AddressCard:
        """Raises BadTerms if there is no card, BadCard or DiskError, ForeignCard, CardConflict."""
        found = self.first
        for card in (self.kept(), self._taken):
            if card is not None and self._is_newer(card, found):
                found = card
        if found is None:
            raise BadTerms("address", "it is missing: the aggregator's card belongs there")
        return found

    def kept(self) -> AddressCard | None:
        """The card in the folder; raises BadCard or DiskError."""
        path = self.folder / ADDRESS_NAME
        return read_aggregator_card(path) if exists(path) else None

    def take(self, card: AddressCard) -> bool:
        """Take a card that reads; whether it is newer than all before.

        It counts from now on. ``trouble`` says why it is not kept, if the disk refuses, and
        ``keep`` tries again. Raises ForeignCard, OlderCard and CardConflict.
        """
        try:
            is_newer = check_newer(card, self.key, self.newest)
        except BadTerms:  # there was none
            is_newer = check_newer(card, self.key, None)
        if is_newer:
            self._taken = card
            self.keep()
        return is_newer

    def keep(self) -> None:
        """Store the newest card, if another one is stored; what prevents it is ``trouble``."""
        try:
            card = self.newest
            if self.kept() != card:
                make_folder(self.folder)
                replace(self.folder / ADDRESS_NAME, render_card(card).encode())
            self.trouble = None
        except DiskError as error:
            self.trouble = error

    def _is_newer(self, card: AddressCard, than: AddressCard | None) -> bool:
        try:
            return check_newer(card, self.key, than)
        except OlderCard:
            return False
