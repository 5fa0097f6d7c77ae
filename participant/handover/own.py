"""A member's part in a handover, with its own number, vault and keys."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from participant.disk import FolderStorage
from participant.errors import MissingFile, RetiredShare
from participant.handover.receipt import write_receipt
from participant.handover.task import HandoverTask
from participant.handover.wish import Wish
from participant.home import (
    DAMAGES,
    VAULT_NAME,
    HandoverShelf,
    Membership,
    Vault,
    federation_folder,
)
from participant.key import note_release
from participant.pruning import SampledModels
from participant.study import note_contributed
from protocol.board import Board, Handover
from protocol.handover import Succession
from protocol.terms import Terms


def handover_task(member: Membership, wish: Wish | None) -> HandoverTask:
    """A member's part in a handover; wish: what its people agree to, None if to nothing."""
    return HandoverTask(member.index, OwnPlace(member), wish)


def is_at_work(handover: Handover, member: Membership) -> bool:
    """Whether an attempt is under way, or has left something in a member's vault."""
    attempt = handover.view.attempt
    is_over = attempt.is_thawed or attempt.is_settled
    return not is_over or OwnPlace(member).has_left(handover)


@dataclass(frozen=True)
class OwnPlace:
    """The vault of a member on the old board, and of the new federation's."""

    member: Membership

    def shelf(self, about: Succession) -> HandoverShelf:
        """Of one attempt."""
        member, epoch = self.member, about.epoch.number
        target = member.vault if about.is_refresh else self._new_vault(about.new)
        return HandoverShelf(member.vault, member.passphrase, epoch, about.session, target)

    def has_left(self, handover: Handover) -> bool:
        """Whether its seed is there, or what it has made old; without a seed it is closed."""
        vault, is_settled = self.member.vault, handover.view.attempt.is_settled
        given_up = handover.about.epoch.number if is_settled else 0
        has_old = any(epoch <= given_up for epoch in vault.epochs())  # older ones where put back
        return has_old or vault.has_seed(handover.about.session)

    def _new_vault(self, new: Terms) -> Vault | None:
        """Where the key share of another federation lies; None for a member that leaves."""
        member = self.member
        if (index := new.index_of(member.identity.card.key)) is None:
            return None
        folder = self._new_folder(new) / VAULT_NAME
        return Vault(folder, new.federation, index, member.vault.cost)

    def _new_folder(self, new: Terms) -> Path:
        return federation_folder(self.member.folder.parent, new.federation)

    def released(self, board: Board, handover: Handover) -> None:
        """Note in the new federation's folder by which entry the key was released, and its sums.

        And what this hospital has contributed, or the one whose name it has.
        """
        if not handover.is_refresh:
            member, folder = self.member, self._new_folder(handover.about.new)
            names = [one.name for one in handover.about.old.members]
            if member.identity.name in names:
                index = names.index(member.identity.name) + 1
                note_contributed(board, index, member.storage, FolderStorage(folder))
                samples = SampledModels(member.model_secret, member.storage)
                samples.carry_over(FolderStorage(folder))
            note_release(folder, board, handover)

    def holds(self, epoch: int) -> bool:
        """Whether it opens."""
        try:
            return self.member.held_key().epoch.number == epoch
        except (*DAMAGES, MissingFile, RetiredShare):
            return False

    def renewed(self) -> None:
        """Let all tasks work with what the vault has now."""
        with contextlib.suppress(MissingFile, RetiredShare):  # it has no share any more
            self.member.keys.renew()

    def settled(self, handover: Handover) -> None:
        """Give up all older shares, also those of epochs whose end not all have acknowledged.

        Who leaves gets a receipt.
        """
        vault = self.member.vault
        for epoch in vault.epochs():
            if epoch <= handover.about.epoch.number:
                vault.retire_key_share(epoch)
        self.renewed()
        if handover.about.new.index_of(self.member.identity.card.key) is None:
            write_receipt(self.member, handover)
