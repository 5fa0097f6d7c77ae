"""The board of a service: stored whole, and in memory as far as something is still said in it.

A start needs no more than that. Now and then a *summary* is stored: what the board and its rounds
come to after an entry. The next start goes on from it, and reads of older entries those alone that
still count by themselves. It decides as one that reads them all. A summary that is damaged, or of
another board, is not used: then all entries are read, and a new one is made.
"""

from collections.abc import Iterator

from aggregator.board.summary import Summary, read_summary
from aggregator.errors import StoreDamaged
from aggregator.rounds import Rounds
from aggregator.store import BoardStore, RoundVector, StoredBoard
from protocol.board import Board, Entry, Head, Post, Posted, decode_entry
from protocol.encoding import decode, encode
from protocol.errors import BadEntry, Fork, Malformed
from protocol.messages import MAX_POST_BYTES, attachments_of, chunks_of, read_session
from protocol.terms import Terms

HELD_ENTRIES = 2_048  # the newest: rounds in which nothing was said since then rest
HELD_ROUNDS = 50  # of those that a later one of their study follows: a report shows them
_AT_ONCE = 256  # entries, after which rounds are let rest
_SUMMED_UP = 2_048  # entries, after which there is a new summary


class ReadBoard:
    """``board`` and ``rounds`` as they stand by what is stored, for who writes nothing."""

    def __init__(self, terms: Terms, store: StoredBoard) -> None:
        """Read what is stored; raises StoreDamaged and StoreFull.

        Each entry was verified before it was stored. That it is the same, its hash shows, on which
        all later ones build up to a head that is noted beside the database. Those behind that head,
        if a crash has kept them from being noted, are verified again.
        """
        self._terms, self._stored = terms, store
        self.board = Board(terms)
        self._check_chain()
        summary = self._summary()
        self._summed_up = summary.board.position if summary else 0
        self._go_on_from(summary)
        self.position = self._summed_up  # up to which all is taken note of, for any thread
        noted = store.last_noted.position if store.last_noted else 0
        for position, data in enumerate(store.entries(self._summed_up), self._summed_up + 1):
            is_known = position <= max(noted, self._summed_up)
            try:
                entry = decode_entry(data)
                self._take(self.board.restore(entry) if is_known else self.board.append(entry))
            except (Fork, BadEntry, Malformed) as error:
                raise StoreDamaged(f"entry {position}", error.reason, position) from None

    def _check_chain(self) -> None:
        try:
            self._stored.check_chain(self.board.head)
        except StoreDamaged as damage:
            if damage.position == 1 and self._is_foreign(next(self._stored.entries(), b"")):
                raise StoreDamaged(damage.what, "of another federation", 1) from None
            raise

    def _is_foreign(self, data: bytes) -> bool:
        try:
            post = decode(decode_entry(data).post.post, Post, "post", MAX_POST_BYTES)
        except Malformed:
            return False
        return post.federation != self._terms.federation

    def _summary(self) -> Summary | None:
        """The stored summary, if it is of this board."""
        found = read_summary(self._stored.summary)
        is_of_it = found and self._stored.has(Head(found.board.position, found.board.head))
        return found if is_of_it else None

    def _go_on_from(self, summary: Summary | None) -> None:
        if summary is not None:
            self.board = Board.resume(self._terms, summary.board, self._read)
        board = self.board
        self.rounds = Rounds(self._terms, board.studies, board.key, board.session)
        if summary is not None:
            self.rounds.resume(summary.rounds)
            self.rounds.stated.resume(summary.stated)

    def _read(self, first: int, last: int) -> Iterator[Entry]:
        return map(decode_entry, self._stored.between(first, last))

    def _take(self, posted: Posted) -> None:
        self.rounds.receive(posted)
        self.position = posted.position
        if posted.position % _AT_ONCE == 0:
            self.rest()

    def rest(self) -> None:
        """Let go of what nothing is said in any more."""
        self.board.rest(max(0, self.position - HELD_ENTRIES), self._read)
        self.rounds.let_go(HELD_ROUNDS)


class KeptBoard(ReadBoard):
    """The same for its one writer: both go on with each entry that is put here."""

    def __init__(self, terms: Terms, store: BoardStore) -> None:
        """Raises StoreDamaged and StoreFull."""
        super().__init__(terms, store)
        self._store = store

    def put(self, entry: Entry) -> list[bytes]:
        """Store the board's next entry, which may come next; the names of the blobs in it."""
        post = decode(entry.post.post, Post, "post", MAX_POST_BYTES)
        body = post.body
        names = [a.digest for a in attachments_of(body) if a.is_blob]
        named, chunks = read_session(post.session), chunks_of(body)
        vector = RoundVector(named.study, named.number, chunks) if chunks else None
        self._store.append(Head(entry.position, entry.hash), encode(entry), names, vector)
        self._take(self.board.append(entry))
        return [*names, *chunks]

    def look(self) -> None:
        """Let go again of what was only asked for, if that is much.

        A post that is there already, or that is not taken, makes a round be read again. Whoever
        sends one for each old round would fill the memory with them.
        """
        if self.board.woken > HELD_ROUNDS:
            self.rest()

    def sum_up(self) -> bool:
        """Store a new summary, if the last one is old; whether it was. Raises StoreFull."""
        if self.position < self._summed_up + _SUMMED_UP:
            return False
        self.rest()
        summary = Summary(self.board.state, self.rounds.state, self.rounds.stated.state)
        self._store.keep_summary(summary.stored)
        self._summed_up = self.position
        return True
