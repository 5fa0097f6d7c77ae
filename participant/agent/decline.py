"""Whether a post may be forgotten because the aggregator declines it.

An aggregator can decline what it likes, keep it, and show it later or to others. So what it says
is not enough: the hospital's own board has to show that the post is beyond its budget.
"""

from collections.abc import Mapping

from protocol.board import Board, Post
from protocol.messages import Certificate


def bears_out(board: Board, post: Post, sizes: Mapping[bytes, int]) -> bool:
    """Whether an own post is beyond its budget by this board, and no certificate.

    sizes: of the blobs that it needs, as they lie in the outbox.
    A limit of so many an hour ends with time alone. What an aggregator declined by its clock is
    declined all the more at the last entry's time, which is not later.
    """
    if isinstance(post.body, Certificate):
        return False  # none is ever beyond it, and whoever keeps one has the key's last word
    time_ms = board.entries[-1].time_ms if board.entries else 0
    return bool(board.excess(post, time_ms) or board.chunk_excess(post, sizes.get))
