"""What all boards of a founded federation begin with, read once for all of them."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from protocol.board.board import Board
from protocol.board.ceremony_budget import CeremonyBudget
from protocol.board.post import Entry
from protocol.encoding import encode


class Beginning:
    """The entries, and a board that has read them: any other can be made equal to it."""

    def __init__(self, entries: Sequence[Entry], read: Board) -> None:
        """read: a board of these entries and no others: no study, and no handover of its key."""
        assert len(read.entries) == len(entries)
        assert not read.studies
        assert not read.key.handovers.all
        self.entries, self.posted = tuple(entries), tuple(read.entries)
        self.encoded = tuple(map(encode, entries))
        self.length = len(entries)
        self._read = read

    def give(self, board: Board) -> None:
        """Let a board without studies be as if it had read them.

        What was said in ceremonies is counted in a copy, made once it is looked at.
        """
        read = self._read
        for name in ("_hashes", "entries", "_counts", "_last_seen", "_last"):
            setattr(board, name, getattr(read, name).copy())
        board._sessions = {name: posts.copy() for name, posts in read._sessions.items()}
        board._ceremonies = {n: board._sessions[f"ceremony/{n}"] for n in read._ceremonies}
        board.key.epochs[:] = read.key.epochs
        board.key.by_digest.update(read.key.by_digest)  # which the aggregator's rounds look at
        board.key._ceremonies = deepcopy(read.key._ceremonies)
        ceremonies = read._budget._ceremonies
        board._budget._ceremonies = _Later(lambda: deepcopy(ceremonies))  # type: ignore[assignment]


class _Later:
    """A ``CeremonyBudget``, made when it is first used."""

    def __init__(self, make: Callable[[], CeremonyBudget]) -> None:
        self._make = make
        self._made: CeremonyBudget | None = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)
