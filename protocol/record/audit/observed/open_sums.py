"""The sums that may be open, as the entries of a record tell them one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.board import Board, Posted
from protocol.errors import Malformed
from protocol.record.audit.observed.round_evidence import RoundEvidence
from protocol.rounds import Difference, OpenedSets, PastRound

Differences = Mapping[tuple[int, str], Difference | None]  # by entry, and the round's session


@dataclass(frozen=True)
class KnownBefore:
    """What was verified before: how many entries, and of rounds what goes on counting.

    past: of those at rest then. held: the entries of all others. woken: by session the entries of
    those at rest in which something was said since.
    """

    entries: int = 0
    past: Sequence[PastRound] = ()
    held: Sequence[Posted] = ()
    woken: Mapping[str, Sequence[Posted]] | None = None


NOTHING_BEFORE = KnownBefore()


class OpenSums:
    """Of a board whose entries since then are these."""

    def __init__(self, board: Board, before: KnownBefore, entries: Sequence[Posted]) -> None:
        self._board, self._before, self._entries = board, before, entries

    def none(self) -> OpenedSets:
        """As none of these entries has told yet."""
        found = OpenedSets(self._board.terms, self._board.studies, self._board.key)
        if self._before.entries:
            found.resume(self._before.past, self._before.held)
            for session, posts in (self._before.woken or {}).items():
                found.recall(session, posts)
        return found

    def all(self) -> OpenedSets:
        """As all entries tell."""
        found = self.none()
        for posted in self._entries:
            found.receive(posted)
        return found

    def past(self) -> Sequence[PastRound]:
        """What counts of the rounds that are at rest now."""
        found = self.none()
        for posted in self._entries:
            found.receive(posted)
        for session in {posted.post.session for posted in (*self._before.held, *self._entries)}:
            if self._board.is_at_rest(session):
                found.let_go(session)
        return found.past

    def differences(self, asked: Iterable[tuple[int, RoundEvidence]]) -> Differences:
        """What each round's sum shows of too few, beside those that may be open by an entry.

        The board is read once, however many are asked. Raises Malformed for an entry of before.
        """
        found = dict[tuple[int, str], Difference | None]()
        if not (questions := sorted(asked, key=lambda question: question[0])):
            return found
        sums, rest, read = self.none(), iter(self._entries), self._before.entries
        for position, one in questions:
            if position < self._before.entries:
                raise Malformed("board", f"what stood open at entry {position} is not known now")
            while read < position:
                sums.receive(next(rest))
                read += 1
            found[position, one.session] = sums.difference(one.view)
        return found
