"""Reading the whole board into a record, and countersigning it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent import Task
from participant.waiting import Waiting
from protocol.board import Board, Entry, Head
from protocol.encoding import encode
from protocol.messages import Attachment
from protocol.record import (
    Countersignature,
    WritableFiles,
    blob_path,
    check_history,
    countersign,
    countersignatures,
    finish,
    head_path,
    still_to_write,
    write_entries,
    written,
)
from protocol.terms import AGGREGATOR, Terms

_WINDOW, _WINDOW_BYTES = 16, 16 << 20  # blobs on their way at a time; one may be larger


@dataclass(frozen=True)
class Fetching:
    """Bytes of the missing blobs that are here, of all of them."""

    done: int
    total: int


@dataclass(frozen=True)
class RecordProgress:
    """Entries that have been read, whether these are all, and how far their blobs have got."""

    entries: int
    is_all: bool
    done: int
    total: int


class RecordTask(Task):
    """Writes the board, as it was when it had been read, with its payloads; says nothing itself.

    The folder has been prepared (``record_writing.prepare``). What the board cannot be is noticed
    before anything is written: Fork and UnfitRecord come from ``begin``. Where the folder has a
    record as it was left, entries behind its head alone are read.
    """

    speaks, reads_entries = False, True
    done = False  # whether the record is whole, and countersigned by this hospital

    def __init__(
        self, terms: Terms, index: int, key: Ed25519PrivateKey, files: WritableFiles
    ) -> None:
        """Raises UnfitRecord, and what reading the folder's names raises."""
        self._terms, self._index, self._key, self._files = terms, index, key, files
        self._before = written(files, terms)
        self.entries_from = self._before.whole_to
        self._entries: list[Entry] = []
        self._blobs: deque[Attachment] = deque()
        self._fetched, self._to_fetch, self._payloads = 0, 0, 0
        self._board: Board | None = None
        self.head: Head | None = None
        self.heads: list[Countersignature] = []  # at the end: all members', in roster order

    @property
    def fetching(self) -> Fetching:
        """How far the missing blobs have got."""
        return Fetching(self._fetched, self._to_fetch)

    @property
    def progress(self) -> RecordProgress:
        """How far it is."""
        now = self.fetching
        return RecordProgress(self.n_read, self.head is not None, now.done, now.total)

    @property
    def n_read(self) -> int:
        """How many entries have been read and verified."""
        n_here = self.entries_from + len(self._entries)
        return n_here if self.head is None else self.head.position

    def waiting(self, board: Board) -> Waiting:
        """The aggregator alone."""
        return Waiting("record", (AGGREGATOR,))

    def verified(self, entry: Entry) -> None:
        """Keep it, with its signature, until it is known that the board is as it should be."""
        if self.head is None:
            self._entries.append(entry)

    def begin(self, board: Board) -> None:
        """Write the entries up to the board's head, and see which payloads are missing."""
        check_history(self._files, self._terms, board)
        self._board, self.head = board, board.head
        write_entries(self._files, self._entries, self._before)
        due = still_to_write(self._files, board, self._before)
        self._entries = []
        self._blobs, self._payloads = deque(due.missing), due.payloads
        self._to_fetch = sum(a.size for a in self._blobs)
        self._finish_if_whole()

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """The next missing payloads: a few small ones, or a single large one."""
        chosen: list[tuple[bytes, int]] = []
        size = 0
        for attachment in list(self._blobs)[:_WINDOW]:
            size += attachment.size
            if chosen and size > _WINDOW_BYTES:
                break
            chosen.append((attachment.digest, attachment.size))
        return chosen

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Put it straight to the disk."""
        assert self._blobs[0].digest == name
        self._files.write(blob_path(name), data)
        self._fetched += len(data)
        self._blobs.popleft()
        self._finish_if_whole()

    def _finish_if_whole(self) -> None:
        if self._blobs:
            return
        assert self.head is not None and self._board is not None
        # Once more: somebody else may have written into the folder meanwhile.
        check_history(self._files, self._terms, self._board)
        own = countersign(self._terms.federation, self._index, self.head, self._key)
        self._files.write(head_path(self._index), encode(own))
        finish(self._files, self._terms, self.head, self._payloads)
        self.heads = countersignatures(self._files, self._terms)
        self.done = True
