"""The status of a federation that no service is at work on, from what is stored; writes nothing."""

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from aggregator.clock import BoardClock
from aggregator.errors import NoBoard
from aggregator.record import replayed
from aggregator.rounds import Rounds
from aggregator.status.ceremony import Report
from aggregator.status.report import AtWork, report
from aggregator.store import (
    BlobFolder,
    ReadEntries,
    Row,
    WholeBlobs,
    pruned_in,
    stored_pruned,
    to_read,
)
from protocol.board import Board, Posted
from protocol.messages import chunks_of, read_session
from protocol.terms import AddressCard, Terms


def stored_report(
    folder: Path,
    terms: Terms,
    now_ms: Callable[[], int],
    card: AddressCard | None = None,
    stored: AbstractContextManager[ReadEntries] | None = None,
    pruned_rows: Callable[[], list[Row]] | None = None,
    whole: WholeBlobs | None = None,
) -> Report:
    """How things stand; card: the newest, if one is known. Raises as ``replayed`` does.

    pruned_rows: gives what vectors are given up, as ``stored`` the entries. whole: where blobs lie.

    What only a service at work knows is not in it, such as for whom a round is held back.
    """
    board = Board(terms)
    pruned = pruned_in(pruned_rows() if pruned_rows else stored_pruned(folder))
    rounds, blobs = Rounds(terms, board.studies, board.key), whole or BlobFolder(folder / "blobs")
    with stored or to_read(folder) as read:
        with contextlib.suppress(NoBoard):
            for posted in replayed(board, folder, read):
                rounds.receive(posted)
                _require_blobs(blobs, posted, pruned)
        clock = BoardClock(now_ms, board.entries[-1].time_ms if board.entries else 0)
        return report(board, terms, rounds, clock.now_ms(), AtWork(card=card, pruned=pruned))


def _require_blobs(blobs: WholeBlobs, posted: Posted, pruned: Mapping[str, int]) -> None:
    for attachment in posted.attachments:
        if attachment.is_blob:
            blobs.require(attachment.digest, attachment.size)
    named = read_session(posted.post.session)
    if named.number >= pruned.get(named.study, 1):
        for name in chunks_of(posted.post.body):
            blobs.require(name, None)
