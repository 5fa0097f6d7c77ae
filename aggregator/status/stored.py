"""The status of a federation that no service is at work on, from what is stored; writes nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from aggregator.board import ReadBoard, require_blobs
from aggregator.clock import BoardClock
from aggregator.status.ceremony import Report
from aggregator.status.report import AtWork, report
from aggregator.store import BlobFolder, BoardTables, StoredBoard, WholeBlobs, stored_head, to_read
from protocol.terms import AddressCard, Terms


def stored_report(
    folder: Path,
    terms: Terms,
    now_ms: Callable[[], int],
    card: AddressCard | None = None,
    tables: AbstractContextManager[BoardTables] | None = None,
    whole: WholeBlobs | None = None,
) -> Report:
    """How things stand; card: the newest, if one is known.

    tables: of the board where it is in another database than the folder's. whole: where blobs lie,
    if not in the folder. Raises StoreDamaged, StoreFull, and as ``tables`` and ``whole`` do.

    What only a service at work knows is not in it, such as for whom a round is held back.
    """
    noted = stored_head(folder)  # before the entries: a service may be adding some
    with tables or to_read(folder) as opened:
        stored = StoredBoard(opened, noted)
        read = ReadBoard(terms, stored)
        board, rounds = read.board, read.rounds
        require_blobs(board, rounds, whole or BlobFolder(folder / "blobs"), stored.pruned)
        clock = BoardClock(now_ms, board.entries[-1].time_ms if len(board.entries) else 0)
        work = AtWork(card=card, pruned=stored.pruned)
        return report(board, terms, rounds, clock.now_ms(), work)
