"""A data folder that went back in time: a snapshot of the machine or a backup was put back.

Each own post is in the outbox until the checkpoint covers its entry. So an own entry after the
checkpoint that is not the pending post is unknown only to a storage that is older than the entry,
or to a copy of the folder. What was durable after that is lost, the sets that were chosen too.
"""

from collections.abc import Callable
from dataclasses import dataclass

from participant.agent.outbox import Pending
from participant.errors import IdentityInUse
from protocol.board import Board, Posted
from protocol.messages import Certificate

IsOwn = Callable[[Posted], bool]  # whether this hospital has said it


@dataclass(frozen=True)
class SetBack:
    """``entry``: the first own one that the storage does not know; ``head``: the board's last."""

    entry: int
    head: int


def found_set_back(
    board: Board, is_own: IsOwn, known: int, pending: Pending | None
) -> SetBack | None:
    """Whether the storage is older than what this hospital has said.

    board: read up to its head; known: the position of the checkpoint, 0 if there is none.
    """
    if all(posted.position <= known for posted in board.last_words if is_own(posted)):
        return None  # without a look at what the board may not hold
    on_its_way = pending.signed.digest if pending else b""
    for posted in board.entries[known:]:
        if is_own(posted) and posted.digest != on_its_way:
            return SetBack(posted.position, board.head.position)
    return None


def is_passed(board: Board, is_own: IsOwn, pending: Pending) -> bool:
    """Whether the pending post is not on the board, and no board that goes on can take it.

    Another own post has its number, one that counts for nothing too; or one that saw more of the
    board stands there, in whatever session.
    """
    post = pending.post
    if any(p.digest == pending.signed.digest for p in board.entries[post.seen_position :]):
        return False
    own = (posted for posted in board.last_words if is_own(posted))
    has_seen = max((posted.post.seen_position for posted in own), default=0)
    return has_seen > post.seen_position or board.count(post.session, post.sender) > post.sequence


def check_forgettable(board: Board, is_own: IsOwn, pending: Pending) -> None:
    """Raises IdentityInUse if a post that was passed by is a certificate that stays.

    The aggregator may have it, so it is not forgotten for what the board shows, unless that is the
    same certificate.
    """
    post, last = pending.post, board.last_of(pending.post.sender, pending.post.session)
    own = (p.post for p in board.session(post.session) if is_own(p))
    if isinstance(post.body, Certificate) and all(said.body != post.body for said in own):
        raise IdentityInUse(last.position if last else 0, "", post.session)
