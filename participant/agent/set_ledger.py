"""Which set this hospital has chosen to help with in each round: one, and it is durable first.

A hospital that was restored from a backup, or whose data folder went back in time, does not know
what it chose before. So it helps with no round that was opened before it first saw the board again,
unless the choice is still in its ledger.
"""

import hmac

from participant.disk import Storage
from protocol.board import Board, Head
from protocol.encoding import Message, decode, encode
from protocol.errors import Refused
from protocol.messages import Count, Opening, read_session

_MARK = "restored"
_MARK_BYTES = 64


class _Restored(Message, frozen=True):
    """The board's last entry when it was first seen after a restore; 0: not seen since then."""

    position: Count


class SetLedger:
    """The ledger that a restart, or an aggregator with a second closing, cannot get around."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._restored_at: int | None = None
        self._board: Board | None = None  # None: not known yet

    def mark_restored(self, seen: Head | None) -> None:
        """Note, durably, that choices may be lost; ``seen``: the board's head, if it is known."""
        self._storage.write(_MARK, encode(_Restored(seen.position if seen else 0)))

    @property
    def seen_since(self) -> int:
        """The board's last entry when this storage was found to be set back; 0 if it never was.

        Also 0 after a restore until the first choice: a backup holds nothing to go on with.
        """
        mark = self._mark()
        return mark.position if mark else 0

    def begin(self, board: Board) -> None:
        """Take note of the board, read up to its head, before the first choice."""
        if (mark := self._mark()) is None:
            return
        if not mark.position:
            self.mark_restored(board.head)
        self._restored_at = mark.position or board.head.position
        self._board = board

    def bars(self, session: str) -> bool:
        """Whether this hospital may have chosen a set of this round and forgotten which."""
        if self._recorded(session) is not None or self._mark() is None:
            return False
        return self._restored_at is None or self._was_opened(session, self._restored_at)

    def _was_opened(self, session: str, position: int) -> bool:
        """Whether a round was opened by that position."""
        assert self._board is not None
        openings = (p for p in self._board.session(session) if isinstance(p.post.body, Opening))
        return any(posted.position <= position for posted in openings)

    def choose(self, session: str, chosen: bytes) -> bool:
        """Record a set unless another one is recorded; whether ``chosen`` is the recorded one.

        Raises Refused (rule one-set) for a round that ``bars`` names.
        """
        if self.bars(session):
            reason = (
                "this hospital was restored from a backup or a snapshot after the round was opened "
                f"(entry {self._restored_at}), and may have chosen another set of it before"
            )
            raise Refused(read_session(session).name, "one-set", 0, reason)
        recorded = self._recorded(session)
        if recorded is None:
            self._storage.write(_name(session), chosen)
            return True
        return hmac.compare_digest(recorded, chosen)

    def _recorded(self, session: str) -> bytes | None:
        return self._storage.read(_name(session))

    def _mark(self) -> _Restored | None:
        data = self._storage.read(_MARK)
        return decode(data, _Restored, _MARK, _MARK_BYTES) if data is not None else None


def _name(session: str) -> str:
    return f"chosen/{session.replace('/', '-')}"
