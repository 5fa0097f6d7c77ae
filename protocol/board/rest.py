"""What a board has to hold of rounds in which nothing is said any more: where they stand.

Such a round is *at rest*. Its entries are with whoever holds the board, and are read again once
something is said or asked in it after all. The rest of what a board knows is a ``BoardState``: with
the entries at hand, a board goes on from there as if it had read them all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Self, overload

from protocol.board.post import Posted
from protocol.encoding import Message
from protocol.errors import Malformed
from protocol.messages import Count, Digest, ModelEntries, Sender

_FEW = 64  # entries of others, read for nothing

Read = Callable[[int, int], Iterable[Posted]]  # the entries from one position to another


def nothing(first: int, last: int) -> Iterable[Posted]:
    """Of a board that holds everything."""
    return ()


class Listed(Message, frozen=True):
    """Where a member has listed the entries of its model; it is asked for in later rounds, too."""

    position: Count
    sender: Sender


class RestingRound(Message, frozen=True):
    """The session of a round, where its entries stand, and the lists of entries among them.

    stretches: from one position to another, ascending, with few entries of others between. A word
    that came long after the others is a stretch of its own: else each who says one would make
    all read everything between them.
    """

    session: str
    stretches: tuple[tuple[Count, Count], ...]
    lists: tuple[Listed, ...] = ()

    @classmethod
    def at(cls, session: str, positions: Iterable[int], lists: Iterable[Listed] = ()) -> Self:
        """positions: of its entries, at least one. lists: in order."""
        found = list[tuple[int, int]]()
        for position in sorted(positions):
            if found and position - found[-1][1] <= _FEW:
                found[-1] = found[-1][0], position
            else:
                found.append((position, position))
        return cls(session, tuple(found), tuple(lists))

    def read(self, read: Read) -> Iterator[Posted]:
        """Its entries."""
        for first, last in self.stretches:
            yield from (p for p in read(first, last) if p.post.session == self.session)


def lists_in(posts: Iterable[Posted]) -> tuple[Listed, ...]:
    """The lists of entries among the entries of a round."""
    said = (posted for posted in posts if isinstance(posted.post.body, ModelEntries))
    return tuple(Listed(posted.position, posted.post.sender) for posted in said)


class LastWord(Message, frozen=True):
    """Where a sender's last entry stands; of a guest, in this session."""

    session: str
    sender: Count
    position: Count


class Unsaid(Message, frozen=True):
    """An entry that was beyond its sender's budget, in this session, and why."""

    position: Count
    session: str
    reason: str


class Tries(Message, frozen=True):
    """When a sender did the last times what may be done again and again; ``kind`` of body."""

    sender: Count
    kind: str
    times: tuple[Count, ...]


class Spent(Message, frozen=True):
    """Bytes that a member has spent in a day, with their times."""

    member: Count
    bytes: tuple[tuple[Count, Count], ...]


class BudgetState(Message, frozen=True):
    """What counts over all sessions, of members and of studies."""

    tries: tuple[Tries, ...]
    labels: tuple[Spent, ...]
    lists: tuple[Spent, ...]
    due: tuple[tuple[str, Count], ...]  # by study: the first round that was not opened
    upload_bytes: Count


class BoardState(Message, frozen=True):
    """A board up to a position; ``head``: the hash of the entry there.

    awake: the entries by then of all sessions that are not at rest, in order.
    """

    position: Count
    head: Digest
    resting: tuple[RestingRound, ...]
    awake: tuple[Count, ...]
    last: tuple[LastWord, ...]
    unsaid: tuple[Unsaid, ...]
    budget: BudgetState


class PostedEntries(Sequence[Posted]):
    """All entries of a board; the first ones may be elsewhere, and are read when asked for."""

    def __init__(self) -> None:
        self._held: list[Posted] = []
        self.before = 0  # so many are elsewhere
        self._read: Read = nothing

    def append(self, posted: Posted) -> None:
        """Add the next one."""
        self._held.append(posted)

    def let_go(self, before: int, read: Read) -> None:
        """Hold the first ones no more, up to that position."""
        del self._held[: max(0, before - self.before)]
        self.before, self._read = max(before, self.before), read

    def __len__(self) -> int:
        return self.before + len(self._held)

    def __iter__(self) -> Iterator[Posted]:
        if self.before:
            yield from self._read(1, self.before)
        yield from self._held

    @overload
    def __getitem__(self, at: int) -> Posted: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Posted]: ...
    def __getitem__(self, at: int | slice) -> Posted | Sequence[Posted]:
        if isinstance(at, slice):
            first, last, step = at.indices(len(self))
            if step != 1:
                return [self[k] for k in range(first, last, step)]
            found = (
                list(self._read(first + 1, min(last, self.before))) if first < self.before else []
            )
            held = slice(max(0, first - self.before), max(0, last - self.before))
            return found + self._held[held]
        place = at + len(self) if at < 0 else at
        if not 0 <= place < len(self):
            raise IndexError(at)
        if place >= self.before:
            return self._held[place - self.before]
        for posted in self._read(place + 1, place + 1):
            return posted
        raise Malformed("board", f"entry {place + 1} is not where it was kept")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def copy(self) -> "PostedEntries":
        """Another list of the same."""
        found = PostedEntries()
        found._held, found.before, found._read = self._held.copy(), self.before, self._read
        return found

    def clear(self) -> None:
        """Forget all that is held."""
        self._held.clear()


def runs(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of positions that follow each other."""
    found = groupby(enumerate(positions), lambda at: at[1] - at[0])
    for _, run in found:
        here = [position for _, position in run]
        yield here[0], here[-1]
