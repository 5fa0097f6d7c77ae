"""The record of a federation from what is stored, also while a service is at work on it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from aggregator.errors import NoBoard, StoreDamaged
from aggregator.store import (
    NO_END,
    BlobFolder,
    ReadEntries,
    WholeBlobs,
    check_end,
    stored_head,
    to_read,
)
from protocol.board import Board, Entry, Head, Posted, decode_entry
from protocol.errors import BadEntry, Fork, Malformed
from protocol.record import (
    WritableFiles,
    blob_path,
    check_history,
    finish,
    missing_blobs,
    prepare,
    recorded,
    write_entries,
    written,
)
from protocol.terms import Terms

Progress = Callable[[str, int, int], None]  # what is being written, how much of how much
_AT_ONCE = 2_048  # entries, after which the board lets rounds rest in which nothing is said


def export(
    folder: Path,
    terms: Terms,
    signatures: Mapping[str, bytes],
    files: WritableFiles,
    progress: Progress,
    stored: AbstractContextManager[ReadEntries] | None = None,
    whole: WholeBlobs | None = None,
) -> Head:
    """Write what is stored in ``folder`` up to the last entry; the head that the record ends with.

    stored: reads the board's entries where they are in another database than the folder's.
    whole: where blobs lie, if not in the folder.

    Raises NoBoard, StoreDamaged, StoreFull; UnfitRecord and Fork for what the record's
    folder already holds.
    """
    with stored or to_read(folder) as read:
        board = Board(terms)
        blobs = recorded(replayed(board, folder, read), terms.n_members)
        prepare(files, terms, signatures)
        check_history(files, terms, board)
        before, head = written(files, terms), board.head
        for done, data in enumerate(read(1, head.position)):
            progress("entries", done, head.position)
            write_entries(files, [decode_entry(data)], before)
    whole = whole or BlobFolder(folder / "blobs")
    missing = missing_blobs(files, blobs, before)
    done, total = 0, sum(a.size for a in missing)
    for attachment in missing:
        progress("bytes of payloads", done, total)
        files.write(blob_path(attachment.digest), whole.read(attachment.digest))
        done += attachment.size
    finish(files, terms, head)
    return head


def replayed(board: Board, folder: Path, read: ReadEntries) -> Iterator[Posted]:
    """Put what is stored on a board without entries, one after the other; all as they count.

    The board holds the last ones. Raises NoBoard, StoreDamaged or StoreFull, and as ``read`` does.

    Signatures were verified before an entry was stored. That it is the same, its hash shows, on
    which all later ones build up to the head that is noted beside the database.
    """
    noted = stored_head(folder)  # before the entries: a service may be adding some
    for position, data in enumerate(read(1, NO_END), start=1):
        is_known = noted is not None and position <= noted.position
        try:
            entry = decode_entry(data)
            yield (board.restore if is_known else board.append)(entry)
        except (Fork, BadEntry, Malformed) as error:
            raise StoreDamaged(f"entry {position}", error.reason, position) from None
        if position % _AT_ONCE == 0:
            board.rest(position - _AT_ONCE, partial(_decoded, read))
    if noted is not None:  # of an empty board: its file was emptied or is gone
        known = board.hash_at(noted.position) if board.entries else None
        check_end(noted, board.head, known)
    if not board.entries:
        raise NoBoard(folder)


def _decoded(read: ReadEntries, first: int, last: int) -> Iterator[Entry]:
    return map(decode_entry, read(first, last))
