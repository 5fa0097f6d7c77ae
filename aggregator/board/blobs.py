"""The blobs of what goes on, which must be here."""

from collections.abc import Mapping
from itertools import chain
from typing import Protocol

from aggregator.rounds import Rounds
from protocol.board import Board, Posted
from protocol.messages import chunks_of, read_session


class Required(Protocol):
    """Where blobs are looked for."""

    def require(self, digest: bytes, size: int | None, /) -> None:
        """Raises StoreDamaged if a blob is surely not here. size: None where it is not known."""


def require_blobs(board: Board, rounds: Rounds, blobs: Required, pruned: Mapping[str, int]) -> None:
    """Look for those of ceremonies and rounds that go on; of older ones, reading them shows it.

    pruned: by study, the first round whose vectors are not given up. Raises StoreDamaged and
    StoreFull.
    """
    ceremonies = [] if board.epoch else list(board.ceremonies.values())
    going_on = [board.session(session) for session in rounds.sessions()]
    for posted in chain.from_iterable(ceremonies + going_on):
        _require(posted, blobs, pruned)


def _require(posted: Posted, blobs: Required, pruned: Mapping[str, int]) -> None:
    for attachment in posted.attachments:
        if attachment.is_blob:
            blobs.require(attachment.digest, attachment.size)
    named = read_session(posted.post.session)
    if named.number >= pruned.get(named.study, 1):
        for name in chunks_of(posted.post.body):
            blobs.require(name, None)
