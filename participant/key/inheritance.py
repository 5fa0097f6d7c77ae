"""Saying on the board of a new federation which key this hospital has taken over.

With the key go the sums that may be open under it. Once it is settled which they are, their parts
are put on the board. All members have them, and the first that comes puts a part there.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, partial

from participant.agent import Task
from participant.home import Membership
from participant.key.errors import OtherInheritedKey
from participant.key.inherited_from import InheritedFrom, inherited_from, inherited_parts
from protocol.board import Board, Draft, Post
from protocol.encoding import encode
from protocol.key import HeldKeys
from protocol.messages import InheritedPart, KeyInherited


class InheritanceTask(Task):
    """Beside other tasks: it says the one word, and waits until the key counts.

    Without a note, as after a restore, it has nothing to say.
    """

    session = "handover/0"

    def __init__(
        self,
        index: int,
        keys: HeldKeys,
        read_note: Callable[[], InheritedFrom | None],
        read_parts: Callable[[], Mapping[bytes, bytes]],
    ) -> None:
        """read_parts: of the sums that were opened before, by their names.

        Each is called when it is needed: what has been said is not read again.
        """
        self._index, self._keys = index, keys
        self._read_note, self._read_parts = read_note, read_parts
        self._board: Board | None = None

    @cached_property
    def _parts(self) -> Mapping[bytes, bytes]:
        return self._read_parts()

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
        """The word, once, and parts.

        Raises OtherInheritedKey where another key counts, and what reading the note raises.
        """
        board = self._board
        assert board is not None
        if self._is_other(board):
            assert board.epoch is not None
            own = self._keys.current.epoch.number
            raise OtherInheritedKey(board.terms.name, own, board.epoch.number)
        said = self._word(board) or self._part(board)
        return Draft(self.session, said) if said else None

    def explains(self, post: Post) -> bool:
        """Another member has put the same part there first."""
        return isinstance(post.body, InheritedPart)

    def _is_other(self, board: Board) -> bool:
        is_counted = board.epoch is not None
        return is_counted and self._keys.current.epoch.digest not in board.key.by_digest

    def _word(self, board: Board) -> KeyInherited | None:
        if board.count(self.session, self._index) or (noted := self._read_note()) is None:
            return None
        held = self._keys.of(noted.epoch)
        if held is None:  # there was a refresh since, so the key counts without this word
            return None
        return KeyInherited(noted.position, noted.hash, encode(held.epoch), noted.sums)

    def _part(self, board: Board) -> InheritedPart | None:
        """The first part that is missing on the board and lies here."""
        found = board.key.inheritance
        if found.counted is None or not found.missing_parts:
            return None
        named = [(number, found.counted.sums[number]) for number in found.missing_parts]
        here = ((number, self._parts[name]) for number, name in named if name in self._parts)
        return next((InheritedPart(*one) for one in here), None)


def inheritance_task(member: Membership) -> InheritanceTask | None:
    """A member's task; None where the terms take no key over, or no key share is here yet."""
    if not (member.terms.takes_over_key and member.vault.epochs()):
        return None
    read_note = partial(inherited_from, member.folder)
    return InheritanceTask(
        member.index, member.keys, read_note, partial(inherited_parts, member.folder)
    )
