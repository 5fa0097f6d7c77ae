"""Saying on the board of a new federation which key this hospital has taken over."""

from participant.agent import Task
from participant.home import Membership
from participant.key.errors import OtherInheritedKey
from participant.key.inherited_from import InheritedFrom, inherited_from
from protocol.board import Board, Draft
from protocol.encoding import encode
from protocol.key import HeldKeys
from protocol.messages import KeyInherited


class InheritanceTask(Task):
    """Beside other tasks: it says the one word, and waits until the key counts.

    noted: None where nothing is noted, as after a restore; then it has nothing to say.
    """

    session = "handover/0"

    def __init__(self, index: int, keys: HeldKeys, noted: InheritedFrom | None) -> None:
        self._index, self._keys, self._noted = index, keys, noted
        self._board: Board | None = None

    def is_due(self, board: Board) -> bool:
        """Whether the key does not count yet, or the word is missing, or another key counts."""
        return board.epoch is None or self._is_other(board) or self._word(board) is not None

    @property
    def done(self) -> bool:
        """Whether the word is said, and the key counts."""
        return self._board is not None and not self.is_due(self._board)

    def begin(self, board: Board) -> None:
        """The board tells what this hospital has said before."""
        self._board = board

    def due(self) -> Draft | None:
        """The word, once; raises OtherInheritedKey where another key counts than the one here."""
        board = self._board
        assert board is not None
        if self._is_other(board):
            assert board.epoch is not None
            own = self._keys.current.epoch.number
            raise OtherInheritedKey(board.terms.name, own, board.epoch.number)
        word = self._word(board)
        return Draft(self.session, word) if word else None

    def _is_other(self, board: Board) -> bool:
        is_counted = board.epoch is not None
        return is_counted and self._keys.current.epoch.digest not in board.key.by_digest

    def _word(self, board: Board) -> KeyInherited | None:
        noted = self._noted
        if noted is None or board.count(self.session, self._index):
            return None
        held = self._keys.of(noted.epoch)
        if held is None:  # there was a refresh since, so the key counts without this word
            return None
        return KeyInherited(noted.position, noted.hash, encode(held.epoch))


def inheritance_task(member: Membership) -> InheritanceTask | None:
    """A member's task; None where the terms take no key over, or no key share is here yet.

    Raises DamagedFile.
    """
    if not (member.terms.takes_over_key and member.vault.epochs()):
        return None
    return InheritanceTask(member.index, member.keys, inherited_from(member.folder))
