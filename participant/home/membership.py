"""A hospital's place in a federation: its identity, number, data folder, vault and key share."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from participant.board import BoardCopy
from participant.disk import FolderStorage, exists
from participant.errors import DamagedFile, MissingFile, NotAMember, RetiredShare
from participant.home import identity as identities
from participant.home.address import Address
from participant.home.ceremony_secrets import SecretStore
from participant.home.folders import federation_folder
from participant.home.identity import CARD_NAME, IDENTITY_NAME, Identity, read_card
from participant.home.key_ring import KeyRing
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import DAMAGES
from participant.home.terms_file import TermsFile
from participant.home.vault import VAULT_NAME, Vault, epochs_in, retired_in
from protocol.errors import Malformed, OlderCard
from protocol.key import HeldKey, read_secret
from protocol.terms import Member, Terms, numbers_on_board


@dataclass(frozen=True)
class Membership:
    """One member at work; ``folder`` is the federation's in the member's home."""

    terms: Terms
    index: int
    identity: Identity
    folder: Path
    vault: Vault
    passphrase: Passphrase
    address: Address
    signatures: Mapping[str, bytes] = field(default_factory=dict)  # of the terms, by name
    keys: KeyRing = field(init=False, repr=False, compare=False)  # that all tasks work with

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", KeyRing(self._stored_keys))

    @property
    def storage(self) -> FolderStorage:
        """Outbox, chosen sets and models."""
        return FolderStorage(self.folder)

    def board_copy(self, is_kept: bool = True) -> BoardCopy:
        """This hospital's own copy of the board; is_kept: whether it may be added to."""
        secret = self.identity.derived("copy of the board")
        return BoardCopy(self.storage, secret, self.terms.federation, is_kept)

    @property
    def number_secret(self) -> bytes:
        """By which this hospital, and nobody else, knows numbers again that it has contributed."""
        return self.identity.derived("contributed numbers")

    @property
    def model_secret(self) -> bytes:
        """By which this hospital alone reads what it has kept of models that it let go of."""
        return self.identity.derived("samples of models")

    @property
    def secrets(self) -> SecretStore:
        """The vault, with the passphrase at hand."""
        return SecretStore(self.vault, self.passphrase)

    def held_key(self) -> HeldKey:
        """The newest epoch and this member's secret part of it, as the vault has it now.

        Raises MissingFile, RetiredShare, DamagedFile, and what ``vault.read_key_share`` raises.
        """
        return self._stored_key(newest_epoch(self.folder))

    def settled_keys(self) -> KeyRing:
        """The ring, read; destroys the seed that a key was made from, if a kill has left it.

        Raises what ``held_key`` raises.
        """
        keys = self.keys.read()
        for epoch in self.vault.epochs():
            self.vault.forget_ceremony(epoch)
        return keys

    def _stored_keys(self, known: Sequence[HeldKey]) -> list[HeldKey]:
        """All that the vault has; an older one that is damaged is one that it has not.

        known: those that it had. A key share is never replaced by another of its epoch.
        """
        newest, found = newest_epoch(self.folder), list[HeldKey]()
        had = {key.epoch.number: key for key in known}
        for epoch in self.vault.epochs():
            try:
                found.append(had.get(epoch) or self._stored_key(epoch))
            except DAMAGES:
                if epoch == newest:
                    raise
        return found

    def _stored_key(self, epoch: int) -> HeldKey:
        payload = self.vault.read_key_share(epoch, self.passphrase)
        try:
            return read_secret(payload, self.terms, self.index)
        except Malformed as error:
            path = self.vault.key_share_path(epoch)
            raise DamagedFile(path, f"{error.what}: {error.reason}") from None


def newest_epoch(folder: Path) -> int:
    """The newest epoch of which a federation's folder holds a key share; needs no passphrase.

    Raises MissingFile if there is none yet, RetiredShare if all were given up.
    """
    if held := epochs_in(folder / VAULT_NAME):
        return held[-1]
    if retired := retired_in(folder / VAULT_NAME):
        raise RetiredShare(folder, retired[-1])
    raise MissingFile(folder, "key share")


def require_identity(home: Path) -> None:
    """Raises MissingFile if there is no identity in a data folder."""
    if not exists(home / IDENTITY_NAME):
        raise MissingFile(home / IDENTITY_NAME, "identity")


def check_before_asking(terms: Terms, home: Path, needs_key: bool) -> None:
    """What can be known before anybody types a passphrase for nothing.

    Raises MissingFile without an identity, and if ``needs_key`` what ``newest_epoch`` raises,
    unless the card beside the identity is none of a member.
    """
    require_identity(home)
    card = home / CARD_NAME
    if needs_key and (not exists(card) or terms.index_of(read_card(card).key) is not None):
        newest_epoch(federation_folder(home, terms.federation))


def enter_handover(
    old: TermsFile, new: TermsFile, home: Path, passphrase: Passphrase
) -> Membership:
    """A place on the old members' board: an old member's, or a guest's that is a new one.

    The aggregator may have moved since the old terms: the card in the new ones counts too, where
    its key is the same. Raises NotAMember for an identity that is in neither terms, and what
    ``Address.take`` raises.
    """
    identity = identities.load(home, passphrase)
    card = identity.card
    place = new.terms.index_of(card.key)
    if old.terms.index_of(card.key) is not None or place is None:
        found = enter(old, home, passphrase)
    elif new.terms.members[place - 1] != Member(card.name, card.key):
        raise NotAMember(card.name, home)
    else:
        number = numbers_on_board(old.terms, new.terms)[place - 1]
        found = _membership(old, identity, home, number, passphrase)
    if new.card is not None and new.card.key == old.terms.aggregator_key:
        with contextlib.suppress(OlderCard):
            found.address.take(new.card)
    return found


def enter(file: TermsFile, home: Path, passphrase: Passphrase) -> Membership:
    """Unlock the identity in ``home`` and find its place in the terms; raises NotAMember."""
    identity = identities.load(home, passphrase)
    terms, card = file.terms, identity.card
    index = terms.index_of(card.key)
    if index is None or terms.members[index - 1] != Member(card.name, card.key):
        raise NotAMember(card.name, home)
    return _membership(file, identity, home, index, passphrase)


def _membership(
    file: TermsFile, identity: Identity, home: Path, index: int, passphrase: Passphrase
) -> Membership:
    terms = file.terms
    folder = federation_folder(home, terms.federation)
    vault = Vault(folder / VAULT_NAME, terms.federation, index)
    address = Address(terms.aggregator_key, file.card, folder)
    return Membership(terms, index, identity, folder, vault, passphrase, address, file.signatures)
