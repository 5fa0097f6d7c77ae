"""Putting a backup back: everything is checked before anything is written, nothing is replaced.

The key share must be the one that is due: its epoch is compared with what all members certified on
the board, read from the aggregator or from a record. A share that was given up here never comes
back.
"""

import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from participant.agent import Agent, SetLedger, Task, load_checkpoint, save_checkpoint
from participant.disk import FolderStorage, exists, make_folder
from participant.errors import FileExists, OutOfTime
from participant.home import (
    CARD_NAME,
    DAMAGES,
    DEFAULT_COST,
    IDENTITY_NAME,
    VAULT_NAME,
    Address,
    Argon2Cost,
    Passphrase,
    Vault,
    federation_folder,
    keep_share,
)
from participant.home import identity as identities
from participant.key.backup import Backup
from participant.key.errors import HandedOver, NoBoard, Outdated, UnfitBackup
from participant.network import Session
from participant.record import RecordFolder
from protocol.board import Board, Head
from protocol.encoding import encode
from protocol.errors import Fork, Malformed, OlderCard
from protocol.record import MANIFEST_PATH, MAX_MANIFEST_BYTES, read_entries, read_manifest
from protocol.terms import AddressCard, Terms


@dataclass
class Restoring:
    """A backup on its way into a home; the lock of the federation's folder must be held.

    ``passphrase``: of the home, which is made with it if there is none. ``card``: the
    aggregator's in another file of the terms than the one in the backup, if there is one.
    """

    backup: Backup
    home: Path
    passphrase: Passphrase
    card: AddressCard | None = None
    cost: Argon2Cost = DEFAULT_COST
    _folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self._folder = federation_folder(self.home, self.backup.terms.federation)

    @property
    def address(self) -> Address:
        """Where the aggregator is, by the newest card there is."""
        address = Address(self.backup.terms.aggregator_key, self.backup.card, self._folder)
        if self.card is not None:
            with suppress(OlderCard):
                address.take(self.card)
        return address

    def is_needed(self) -> bool:
        """Whether identity or key share are not in the data folder.

        Raises FileExists if another identity or key share lies there, HandedOver if this key share
        was given up there, Outdated if the vault has a newer one, WrongPassphrase if the identity
        there does not open.
        """
        is_there = self._has_identity()
        vault, path, number = self._vault(), self.backup.path, self.backup.epoch.number
        if vault is None:
            return True
        if vault.has_retired(number):
            raise HandedOver(path, number)
        epochs = vault.epochs()
        if epochs and epochs[-1] > number:
            raise Outdated(path, "backup", number, epochs[-1], "this data folder")
        return not (self._has_share(vault) and is_there)

    def _has_identity(self) -> bool:
        path = self.home / IDENTITY_NAME
        if not exists(path):
            if exists(card := self.home / CARD_NAME) and (
                identities.read_card(card) != self.backup.identity.card
            ):
                raise FileExists(card, "it is the card of another identity")
            return False
        found = identities.load(self.home, self.passphrase)
        if found.card != self.backup.identity.card:
            raise FileExists(path, f"it is the identity of {found.name}, with another key")
        return True

    def _vault(self) -> Vault | None:
        folder = self._folder / VAULT_NAME
        federation, index = self.backup.terms.federation, self.backup.index
        return Vault(folder, federation, index, self.cost) if exists(folder) else None

    def _has_share(self, vault: Vault) -> bool:
        epoch = self.backup.epoch.number
        if epoch not in vault.epochs():
            return False
        path = vault.key_share_path(epoch)
        try:
            stored = vault.read_key_share(epoch, self.passphrase)
        except DAMAGES:
            reason = "it is damaged, or sealed with another passphrase than the identity"
            raise FileExists(path, reason) from None
        if not hmac.compare_digest(stored, encode(self.backup.held.secret)):
            raise FileExists(path, f"it holds another key share of epoch {epoch}")
        return True

    def known_head(self) -> Head | None:
        """The last head that the backup or the data folder knows."""
        return max(self._heads(), default=None)

    def _heads(self) -> list[Head]:
        heads = [self.backup.head] if self.backup.head else []
        if head := load_checkpoint(self._storage):
            heads.append(head)
        return heads

    def check(self, board: Board) -> None:
        """Raises Fork, HandedOver, Outdated or UnfitBackup unless this very epoch is the board's.

        board: read up to its head, which is not before what is known.
        """
        for head in self._heads():
            if board.hash_at(head.position) != head.hash:
                raise Fork(head.position, "it was another one when this hospital last saw it")
        path, newest, terms = self.backup.path, self.backup.epoch, self.backup.terms
        due = board.epoch
        if due is None:
            raise UnfitBackup(path, "the board has no key that all members certified")
        if successor := board.key.handovers.successor:
            raise HandedOver(path, newest.number, successor.name)
        if due.number > newest.number:
            raise Outdated(path, "backup", newest.number, due.number, terms.name)
        if due.digest != newest.digest:
            raise UnfitBackup(path, "its key share is of another key than all members certified")

    def write(self, seen: Head | None) -> None:
        """Write what is missing; the key share last, when all that guards its use is durable.

        seen: the board's head as the aggregator has just shown it, None if it was not asked.
        """
        self.is_needed()  # raises if anything is in the way
        make_folder(self.home)
        if not exists(self.home / IDENTITY_NAME):
            identities.keep(self.home, self.backup.identity, self.passphrase, self.cost)
        identities.load(self.home, self.passphrase)  # writes the card if there is none
        SetLedger(self._storage).mark_restored(seen)
        if head := seen or self.known_head():
            save_checkpoint(self._storage, head)
        terms, index = self.backup.terms, self.backup.index
        vault = Vault(self._folder / VAULT_NAME, terms.federation, index, self.cost)
        if not self._has_share(vault):
            keep_share(vault, self.backup.held, self.passphrase, None)

    @property
    def _storage(self) -> FolderStorage:
        return FolderStorage(self._folder)


def read_record(folder: Path, terms: Terms, known: Head | None) -> Board:
    """The board from a record, every entry verified; ``known``: what it must reach.

    Raises MissingFile, Malformed, BadEntry, Fork, Outdated, UnfitBackup or DiskError.
    """
    files = RecordFolder(folder)
    manifest = read_manifest(files.read(MANIFEST_PATH, MAX_MANIFEST_BYTES) or b"")
    if manifest.federation != terms.federation:
        raise UnfitBackup(folder, "it is the record of another federation")
    if known and manifest.head.position < known.position:
        raise Outdated(folder, "record", manifest.head.position, known.position)
    board = Board(terms)
    for entry in reversed(list(read_entries(files, manifest.head))):
        board.append(entry)
    if board.head != manifest.head:  # where there are no entries, nothing else tells
        raise Malformed(MANIFEST_PATH, "its head is not the one of its entries")
    return board


async def read_board(restoring: Restoring, seconds: float) -> Board:
    """The board as the aggregator shows it; nothing is said and nothing is stored.

    Raises NoBoard after so many seconds, Fork, and what a session raises.
    """
    backup, key = restoring.backup, restoring.backup.identity.signing_key
    address = restoring.address
    with TemporaryDirectory() as folder:
        storage = FolderStorage(Path(folder))
        if head := restoring.known_head():
            save_checkpoint(storage, head)
        agent = Agent(backup.terms, backup.index, key, storage, _Reading())
        try:
            await Session(agent, key, address, time_limit=seconds).work()
        except OutOfTime as late:
            raise NoBoard(address.newest.url, late.waiting) from None
    return agent.board


class _Reading(Task):
    """Nothing but to read the board up to its head."""

    done = True  # as soon as the board has been read
