"""A data folder that went back in time: a snapshot of the machine or a backup was put back.

Each own post is in the outbox until the checkpoint covers its entry. So an own entry after the
checkpoint that is not the pending post is unknown only to a storage that is older than the entry,
or to a copy of the folder. What was durable after that is lost, the sets that were chosen too.
"""

from __future__ import annotations

from dataclasses import dataclass

from participant.outbox import Pending
from protocol.board import Board


@dataclass(frozen=True)
class SetBack:
    """``entry``: the first own one that the storage does not know; ``head``: the board's last."""

    entry: int
    head: int


def found_set_back(board: Board, index: int, known: int, pending: Pending | None) -> SetBack | None:
    """Whether the storage is older than what member ``index`` has said.

    board: read up to its head; known: the position of the checkpoint, 0 if there is none.
    """
    on_its_way = pending.signed.digest if pending else b""
    for posted in board.entries[known:]:
        if posted.post.sender == index and posted.digest != on_its_way:
            return SetBack(posted.position, board.head.position)
    return None


def is_taken(board: Board, index: int, pending: Pending) -> bool:
    """Whether another post of this member's is on the board under the pending one's number."""
    session, number = pending.post.session, pending.post.sequence
    own = (p for p in board.session(session) if p.post.sender == index)
    return any(p.post.sequence == number and p.digest != pending.signed.digest for p in own)
