"""Where the task of a handover finds and leaves key shares."""

from typing import Protocol

from protocol.board import Board, Handover
from protocol.handover import Shelf, Succession


class AttemptShelf(Shelf, Protocol):
    """Where one attempt's secrets lie, and how they leave it."""

    @property
    def has_share(self) -> bool:
        """Whether the new share is there, or in its place; or was, before a later handover."""

    @property
    def is_replaced(self) -> bool:
        """Whether a later handover has given another share in its place, or has ended it."""

    def promote(self) -> None:
        """Move the new share into its place, once the attempt is released."""

    def forget(self) -> None:
        """Destroy what is left of the attempt, once it is over."""


class Place(Protocol):
    """Where a member's key shares lie."""

    def shelf(self, about: Succession) -> AttemptShelf:
        """Of one attempt."""

    def has_left(self, handover: Handover) -> bool:
        """Whether an attempt has left anything here that it is over with."""

    def released(self, board: Board, handover: Handover) -> None:
        """Called before the new key share is put into its place; again after a crash."""

    def holds(self, epoch: int) -> bool:
        """Whether the key share of an epoch is here and whole."""

    def renewed(self) -> None:
        """Called when the new key share is in its place."""

    def settled(self, handover: Handover) -> None:
        """Called when nothing older than the new epoch is to be left."""
