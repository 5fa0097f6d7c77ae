"""What can be opened under a frozen epoch is known, on whatever board it was locked."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from protocol.handover import Attempt, HandoverWord, Rosters
from tests.protocol.handover.explorer import Game
from tests.protocol.handover.test_forks import rosters

SETS = ("A", "B")
RUNS = 2_000
Locks = dict[str, frozenset[int]]


@dataclass
class Boards:
    """Two boards, from their parting on, with locks of one round; a lock counts as the board says.

    An honest member locks one set alone, and reads one of the boards. What it says before they part
    may come to stand on both; it says nothing else before that stands on the board that it reads.
    """

    game: Game
    lots: random.Random
    attempts: list[Attempt]
    locks: list[Locks]
    home: dict[int, int]
    locked: dict[int, str] = field(default_factory=dict)
    on_the_way: list[tuple[int, str]] = field(default_factory=list)
    unseen: set[int] = field(default_factory=set)  # whose word is still on its way there

    def play(self) -> None:
        """Words in an order that the lots give."""
        for _ in range(60):
            at, member, said = self.lots.choice(self._choices())
            self._stand(at, member, said)

    def _choices(self) -> list[tuple[int, int, str]]:
        found = [(at, member, said) for member, said in self.on_the_way for at in (0, 1)]
        for member in self.game.rosters.old:
            if member in self.game.liars:
                found += [(at, member, said) for at in (0, 1) for said in (*SETS, "freeze")]
            elif member not in self.unseen:
                at = self.home[member]
                found.append((at, member, "freeze"))
                if self.attempts[at].may_lock(member):
                    chosen = self.locked.setdefault(member, self.lots.choice(SETS))
                    found.append((at, member, chosen))
        return found

    def _stand(self, at: int, member: int, said: str) -> None:
        if self.home.get(member) == at:
            self.unseen.discard(member)
        if said == "freeze":
            self.attempts[at] = self.attempts[at].after(member, HandoverWord.FREEZE)
        elif self.attempts[at].may_lock(member):
            self.locks[at][said] |= {member}


def agreed(of: Rosters) -> Attempt:
    return Attempt(of, consents=frozenset(of.old), arrived=frozenset(of.new))


def unknown_sets(game: Game, seed: int, runs: int = RUNS) -> int:
    """How often a set was locked on a board of which a frozen one shows no honest lock."""
    lots, found = random.Random(seed), 0
    for _ in range(runs):
        home = {member: lots.randrange(2) for member in game.honest}
        start, empty = agreed(game.rosters), defaultdict[str, frozenset[int]](frozenset)
        boards = Boards(game, lots, [start, start], [empty.copy(), empty.copy()], home)
        for member in game.honest.intersection(game.rosters.old):
            if lots.getrandbits(1):
                said = lots.choice(["freeze", *SETS])
                if said in SETS:
                    boards.locked[member] = said
                boards.on_the_way.append((member, said))
                boards.unseen.add(member)
        boards.play()
        frozen = [at for at in (0, 1) if boards.attempts[at].is_frozen]
        for locks in boards.locks:
            for name, by in locks.items():
                is_locked = len(by) >= game.rosters.lock_threshold
                hidden = [at for at in frozen if not boards.locks[at][name] & game.honest]
                found += bool(is_locked and hidden)
    return found


@pytest.mark.parametrize(("n_old", "liars"), [(3, set()), (4, {1}), (5, {2}), (7, {1, 2})])
def test_a_set_that_can_be_opened_has_an_honest_lock_on_every_frozen_board(
    n_old: int, liars: set[int]
) -> None:
    game = Game(rosters(n_old, 2, (n_old + 1, n_old + 2, n_old + 3)), frozenset(liars))
    assert not unknown_sets(game, n_old)


def test_fewer_freezes_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    few = property(lambda board: len(board.frozen) >= board.rosters.lock_threshold - 1)
    monkeypatch.setattr(Attempt, "is_frozen", few)
    assert unknown_sets(Game(rosters(4, 2, (5, 6, 7)), frozenset({1})), 1)


def test_locks_after_a_freeze_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attempt, "may_lock", lambda board, member: True)
    assert unknown_sets(Game(rosters(4, 2, (5, 6, 7)), frozenset({1})), 1)
