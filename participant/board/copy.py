"""Entries that this hospital has verified, in files of its own, and what shows that they are those.

    board/index     HMAC-SHA-256 | the spans, each with the SHA-256 of its file, what the board
                    knew after them, and what counts of rounds at rest for the sums of others
    board/1-1024    the entries of one span, as they stand on the board

The MAC's key follows from the identity, and the MAC is over the federation as well. So an index of
another hospital, or of another federation, or one that was changed, is not taken. A file that the
index does not name by its hash is not read. An older index with its files is a shorter copy.

Files are written whole, and never changed: first a span, then the index that names it. The last
span is written anew with more entries, under another name, until it is full. What no index names
any more is removed. So a crash leaves the old index or the new one, and its files.
"""

import hmac
from bisect import bisect_left
from collections.abc import Iterator
from typing import Annotated, TypeVar

from msgspec import Meta

from participant.disk import Storage
from participant.errors import DamagedFile, DiskError
from protocol.board import MAX_ENTRY_BYTES, MIN_ENTRY_BYTES, Board, BoardState, Entry
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed, ProtocolError
from protocol.messages import Count, Digest
from protocol.rounds import OpenedSets, PastRound
from protocol.terms import Terms

_SPAN_BYTES = 4 << 20  # of entries, after which a span is full as well
_SPAN_LIMIT = _SPAN_BYTES + 2 * MAX_ENTRY_BYTES
_INDEX_LIMIT = 1 << 30  # members may call 64 rounds near in each contribution
SELDOM = 256  # entries that have come, before they are stored while the agent is at work
_FOLDER, _INDEX = "board/", "board/index"
_MAC_BYTES = 32

T = TypeVar("T")
Copied = Annotated[bytes, Meta(min_length=MIN_ENTRY_BYTES, max_length=MAX_ENTRY_BYTES)]


def often(position: int) -> int:
    """How many entries are stored at a time while a board is read for the first time.

    The index grows with the board, and is written each time.
    """
    return max(SELDOM, position // 64)


class CopiedSpan(Message, frozen=True):
    """Positions of the first and the last entry in a file, and the SHA-256 of its bytes."""

    first: Count
    last: Count
    file: Digest

    @property
    def name(self) -> str:
        return f"{_FOLDER}{self.first}-{self.last}"


class CopyIndex(Message, frozen=True):
    """All spans, one after the other from the first entry on; the board's state after them.

    past: what counts for others of those rounds at rest that were opened.
    """

    spans: tuple[CopiedSpan, ...]
    state: BoardState
    past: tuple[PastRound, ...]


class CopiedEntries(Message, frozen=True):
    """A span's entries, each as encoded."""

    entries: tuple[Copied, ...]


class BoardCopy:
    """Entries from the first on, as far as they are stored; new ones are added at the end.

    ``trouble``: why it is not kept, or was not whole. The agent goes on all the same: what is not
    here comes from the aggregator, and is verified.
    """

    full_span = 1_024  # entries
    awake = 2_048  # entries, the last ones: rounds in which nothing was said since then rest

    def __init__(self, storage: Storage, secret: bytes, federation: bytes, is_kept: bool = True):
        """secret: 32 bytes, of this hospital alone. is_kept: whether anything is ever written."""
        self._storage, self._secret, self._federation = storage, secret, federation
        self._is_kept = is_kept
        self.trouble: DiskError | DamagedFile | None = None
        self._full: list[CopiedSpan] = []
        self._last: CopiedSpan | None = None  # as stored; not full
        self._tail: list[bytes] = []  # after the full spans, whether or not they are stored
        self._unsaved = 0
        self._is_begun = False
        self._at_hand: tuple[str, list[bytes]] = "", []  # the span that was read last

    def board(self, terms: Terms) -> Board:
        """The board as it was when it was stored last; as much of it as is whole."""
        try:
            board = self._resumed(terms)
        except (DamagedFile, DiskError, ProtocolError):
            self._full, self._last, self._tail = [], None, []
            board = self._replayed(terms)
        self._is_begun = True
        return board

    def _resumed(self, terms: Terms) -> Board:
        """From what the board knew then; raises DamagedFile, DiskError and ProtocolError."""
        if (index := self._index()) is None:
            self._remove_others()
            return Board(terms)
        self._full += index.spans[:-1]
        for span in index.spans[-1:]:
            self._stored(span, self._entries(span))
        if index.state.position != sum(span.last for span in index.spans[-1:]):
            raise Malformed("index", "its board is another one than its entries")
        board = Board.resume(terms, index.state, self.between)
        OpenedSets.of(board).go_on(index.past)
        self._remove_others()
        return board

    def _replayed(self, terms: Terms) -> Board:
        """From the entries alone, as many as are whole."""
        board = Board(terms)
        for entry in self.read():
            board.restore(entry)
        return board

    def read(self) -> Iterator[Entry]:
        """The entries, in order, up to the first file that is not as it was; to be asked for once.

        What is read is taken for stored; what is not is removed.
        """
        try:
            index = self._index()
            for span in index.spans if index else ():
                entries = self._entries(span)
                for data in entries:
                    yield _decoded(span.name, data, Entry, MAX_ENTRY_BYTES)
                self._stored(span, entries)
        except (DamagedFile, DiskError) as error:
            self.trouble = error
        self._remove_others()

    def after(self, position: int) -> Iterator[Entry]:
        """The entries after a position once more, as far as they are stored and whole."""
        try:
            yield from self.between(position + 1, self._spans[-1].last if self._spans else 0)
        except (DamagedFile, DiskError) as error:
            self.trouble = error

    def between(self, first: int, last: int) -> Iterator[Entry]:
        """Entries that are stored, from one position to another.

        Raises DamagedFile or DiskError. A damaged copy is removed: the next start reads all anew.
        """
        spans = self._spans
        at = bisect_left(spans, first, key=lambda span: span.last)
        for span in spans[at:]:
            if span.first > last:
                return
            try:
                entries = self._entries(span)
            except DamagedFile:
                if self._is_kept and self._is_begun:
                    self._storage.delete(_INDEX)
                raise
            here = slice(max(0, first - span.first), last + 1 - span.first)
            for data in entries[here]:
                yield _decoded(span.name, data, Entry, MAX_ENTRY_BYTES)

    def add(self, entry: bytes) -> None:
        """Take the next entry that was verified, as encoded. It is stored by ``save``."""
        if self._is_kept:
            self._tail.append(entry)
            self._unsaved += 1

    def save(self, board: Board, at_least: int = 1) -> None:
        """Store what has come, if it is so many entries; durable then. Old rounds rest after that.

        board: with all entries that were added. A disk that refuses is ``trouble``, and from then
        on nothing is kept.
        """
        if not self._is_kept or self._unsaved < at_least:
            return
        try:
            self._save(board)
        except DiskError as error:
            self.trouble, self._is_kept = error, False
            self._tail = []

    def _save(self, board: Board) -> None:
        before, tail = self._last, self._tail
        for entries in self._cut(tail):
            data = encode(CopiedEntries(tuple(entries)))
            first = self._full[-1].last + 1 if self._full else 1
            span = CopiedSpan(first, first + len(entries) - 1, _hash(data))
            self._storage.write(span.name, data)
            self._stored(span, entries)
        sums = OpenedSets.of(board)
        sums.rest(max(0, board.head.position - self.awake), self.between)
        index = encode(CopyIndex(tuple(self._spans), board.state, sums.past))
        self._storage.write(_INDEX, self._mac(index) + index)
        if before:
            self._storage.delete(before.name)

    def _cut(self, entries: list[bytes]) -> Iterator[list[bytes]]:
        """Entries in the lengths of spans."""
        span, size = list[bytes](), 0
        for data in entries:
            span.append(data)
            size += len(data)
            if len(span) >= self.full_span or size >= _SPAN_BYTES:
                yield span
                span, size = [], 0
        if span:
            yield span

    def _stored(self, span: CopiedSpan, entries: list[bytes]) -> None:
        self._last, self._tail, self._unsaved = span, entries, 0
        if len(entries) >= self.full_span or sum(map(len, entries)) >= _SPAN_BYTES:
            self._full.append(span)
            self._last, self._tail = None, []

    @property
    def _spans(self) -> list[CopiedSpan]:
        return [*self._full, *([self._last] if self._last else [])]

    # ── what is on the disk ──

    def _index(self) -> CopyIndex | None:
        """What is stored; raises DamagedFile or DiskError."""
        data = self._storage.read(_INDEX)
        if data is None:
            return None
        tag, index = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not hmac.compare_digest(tag, self._mac(index)):
            reason = "it is not as this hospital has written it for this federation"
            raise DamagedFile(_INDEX, reason, "copy of the board")
        return _decoded(_INDEX, index, CopyIndex, _INDEX_LIMIT)

    def _entries(self, span: CopiedSpan) -> list[bytes]:
        if self._at_hand[0] != span.name:
            self._at_hand = span.name, self._read_span(span)
        return self._at_hand[1]

    def _read_span(self, span: CopiedSpan) -> list[bytes]:
        data = self._storage.read(span.name)
        if data is None or _hash(data) != span.file:
            raise DamagedFile(span.name, "it is missing or damaged", "copy of the board")
        return list(_decoded(span.name, data, CopiedEntries, _SPAN_LIMIT).entries)

    def _mac(self, index: bytes) -> bytes:
        bound = digest("quorate/board copy", self._federation, index)
        return hmac.digest(self._secret, bound, "sha256")

    def _remove_others(self) -> None:
        """Remove what is not part of the copy: what a crash has left, and what is not whole."""
        if not self._is_kept:
            return
        kept = {span.name for span in self._spans}
        try:
            for name in self._storage.names(_FOLDER):
                if name not in kept and not (kept and name == _INDEX):
                    self._storage.delete(name)
        except DiskError as error:
            self.trouble, self._is_kept = error, False


def _decoded(name: str, data: bytes, kind: type[T], limit: int) -> T:
    """What this hospital has written itself, by the MAC; another release may have."""
    try:
        return decode(data, kind, name, limit)
    except Malformed as error:
        raise DamagedFile(name, error.reason, "copy of the board") from None


def _hash(data: bytes) -> bytes:
    return digest("quorate/board copy file", data)
