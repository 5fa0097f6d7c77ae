"""The record of a federation from what is stored, also while a service is at work on it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from aggregator.board import ReadBoard
from aggregator.errors import NoBoard
from aggregator.store import BlobFolder, BoardTables, StoredBoard, WholeBlobs, stored_head, to_read
from protocol.board import Head, decode_entry
from protocol.record import (
    AlreadyWritten,
    WritableFiles,
    blob_path,
    check_history,
    entry_path,
    finish,
    prepare,
    still_to_write,
    write_entries,
    written,
)
from protocol.terms import Terms

Progress = Callable[[str, int, int], None]  # what is being written, how much of how much


def export(
    folder: Path,
    terms: Terms,
    signatures: Mapping[str, bytes],
    files: WritableFiles,
    progress: Progress,
    tables: AbstractContextManager[BoardTables] | None = None,
    whole: WholeBlobs | None = None,
) -> Head:
    """Write what is stored in ``folder`` up to the last entry; the head that the record ends with.

    tables: of the board where it is in another database than the folder's. whole: where blobs lie,
    if not in the folder. Of a record that is here already as it was left, what is new is written.

    Raises NoBoard, StoreDamaged, StoreFull; UnfitRecord and Fork for what the record's
    folder already holds.
    """
    noted = stored_head(folder)  # before the entries: a service may be adding some
    with tables or to_read(folder) as opened:
        stored = StoredBoard(opened, noted)
        board = ReadBoard(terms, stored).board
        if not len(board.entries):
            raise NoBoard(folder)
        prepare(files, terms, signatures)
        check_history(files, terms, board)
        before, head = written(files, terms), board.head
        first = before.whole_to if _has_entries(before, stored) else 0
        for position, data in enumerate(stored.entries(first), first + 1):
            progress("entries", position - 1, head.position)
            write_entries(files, [decode_entry(data)], before)
        due = still_to_write(files, board, before)
    whole = whole or BlobFolder(folder / "blobs")
    done, total = 0, sum(a.size for a in due.missing)
    for attachment in due.missing:
        progress("bytes of payloads", done, total)
        files.write(blob_path(attachment.digest), whole.read(attachment.digest))
        done += attachment.size
    finish(files, terms, head, due.payloads)
    return head


def _has_entries(before: AlreadyWritten, stored: StoredBoard) -> bool:
    """Whether each entry that the record is said to have is here, by name; none is read.

    As many files may be here as were written, with another one in the place of one.
    """
    hashes = map(stored.hash_at, range(1, before.whole_to + 1))
    return all(known is not None and entry_path(known) in before.paths for known in hashes)
