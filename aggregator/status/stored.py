"""The status of a federation that no service is at work on, from what is stored; writes nothing."""

from collections.abc import Callable
from pathlib import Path

from aggregator.clock import BoardClock
from aggregator.errors import NoBoard
from aggregator.record import read_board
from aggregator.rounds import Rounds
from aggregator.status.ceremony import Report
from aggregator.status.report import AtWork, report
from aggregator.store import Row, pruned_in, require_stored, stored_pruned
from protocol.board import Board
from protocol.messages import chunks_of, read_session
from protocol.terms import AddressCard, Terms


def stored_report(
    folder: Path,
    terms: Terms,
    now_ms: Callable[[], int],
    card: AddressCard | None = None,
    entries_in: Callable[[], list[bytes]] | None = None,
    pruned_rows: Callable[[], list[Row]] | None = None,
) -> Report:
    """How things stand; card: the newest, if one is known. Raises as ``read_board`` does.

    pruned_rows: gives what vectors are given up, as ``entries_in`` the entries.

    What only a service at work knows is not in it, such as for whom a round is held back.
    """
    try:
        board, _ = read_board(folder, terms, entries_in)
    except NoBoard:
        board = Board(terms)
    pruned = pruned_in(pruned_rows() if pruned_rows else stored_pruned(folder))
    rounds = Rounds(terms, board.studies, board.key)
    for posted in board.entries:
        rounds.receive(posted)
        for attachment in posted.attachments:
            if attachment.is_blob:
                require_stored(folder, attachment.digest, attachment.size)
        named = read_session(posted.post.session)
        if named.number >= pruned.get(named.study, 1):
            for name in chunks_of(posted.post.body):
                require_stored(folder, name)
    clock = BoardClock(now_ms, board.entries[-1].time_ms if board.entries else 0)
    return report(board, terms, rounds, clock.now_ms(), AtWork(card=card, pruned=pruned))
