"""The record of a federation from what is stored, also while a service is at work on it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from aggregator.errors import NoBoard, StoreDamaged
from aggregator.store import check_end, stored_blob, stored_entries, stored_head
from protocol.board import Board, Entry, Head, decode_entry
from protocol.errors import BadEntry, Fork, Malformed
from protocol.record import (
    WritableFiles,
    blob_path,
    check_history,
    finish,
    missing_blobs,
    prepare,
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
    entries_in: Callable[[], list[bytes]] | None = None,
) -> Head:
    """Write what is stored in ``folder`` up to the last entry; the head that the record ends with.

    entries_in: gives the board's entries where they are in another database than the folder's.

    Raises NoBoard, StoreDamaged, StoreFull; UnfitRecord and Fork for what the record's
    folder already holds.
    """
    board, entries = read_board(folder, terms, entries_in)
    prepare(files, terms, signatures)
    check_history(files, terms, board)
    before = written(files, terms)
    for done, entry in enumerate(entries):
        progress("entries", done, len(entries))
        write_entries(files, [entry], before)
    missing = missing_blobs(files, board, board.head, before)
    done, total = 0, sum(a.size for a in missing)
    for attachment in missing:
        progress("bytes of payloads", done, total)
        files.write(blob_path(attachment.digest), stored_blob(folder, attachment.digest))
        done += attachment.size
    finish(files, terms, board.head)
    return board.head


def read_board(
    folder: Path, terms: Terms, entries_in: Callable[[], list[bytes]] | None = None
) -> tuple[Board, list[Entry]]:
    """The stored board; raises NoBoard, StoreDamaged or StoreFull, and as ``entries_in`` does.

    Signatures were verified before an entry was stored. That it is the same, its hash shows, on
    which all later ones build up to the head that is noted beside the database.
    """
    noted = stored_head(folder)  # before the entries: a service may be adding some
    board, entries = Board(terms), []
    stored = entries_in() if entries_in else stored_entries(folder)
    if not stored:
        if noted is not None:
            check_end(noted, board.head, None)  # its file was emptied or is gone
        raise NoBoard(folder)
    for position, data in enumerate(stored, start=1):
        try:
            entries.append(entry := decode_entry(data))
            is_known = noted is not None and position <= noted.position
            (board.restore if is_known else board.append)(entry)
        except (Fork, BadEntry, Malformed) as error:
            raise StoreDamaged(f"entry {position}", error.reason, position) from None
    if noted is not None:
        check_end(noted, board.head, board.hash_at(noted.position))
    return board, entries
