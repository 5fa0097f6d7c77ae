"""An aggregator shows two boards: no attempt is released on one and thawed on the other."""

import random
from dataclasses import dataclass, field

import pytest

from protocol.handover import Attempt, HandoverWord, OwnState, Rosters, due
from tests.protocol.handover.explorer import Game, dealt

RUNS = 300


@dataclass
class Fork:
    """Two boards from one; each honest member reads one of them.

    A word that was on its way when they parted names entries of both, and may stand on both.
    """

    game: Game
    lots: random.Random
    boards: list[Attempt]
    on_the_way: dict[int, HandoverWord]
    home: dict[int, int] = field(default_factory=dict)

    def play(self) -> None:
        """Until nobody says anything more, in any order that the lots give."""
        for _ in range(200):
            choices = [*self._late(), *self._said(), *self._lied()]
            if not choices:
                return
            at, member, word = self.lots.choice(choices)
            self.boards[at] = self.boards[at].after(member, word)

    def _late(self) -> list[tuple[int, int, HandoverWord]]:
        return [
            (at, member, word)
            for member, word in self.on_the_way.items()
            for at in (0, 1)
            if self.boards[at].counts(member, word)
        ]

    def _said(self) -> list[tuple[int, int, HandoverWord]]:
        found = []
        for member in self.game.honest:
            at, gives_up = self.home[member], bool(self.lots.getrandbits(1))
            word = due(self.boards[at], member, OwnState(gives_up=gives_up, holds=True))
            if word:
                found.append((at, member, word))
        return found

    def _lied(self) -> list[tuple[int, int, HandoverWord]]:
        return [
            (at, member, word)
            for member in self.game.liars
            for word in HandoverWord
            for at in (0, 1)
            if self.boards[at].counts(member, word)
        ]


def parted(game: Game, lots: random.Random) -> Fork:
    """The two boards, at some moment after all have dealt."""
    state = dealt(game)
    for _ in range(lots.randrange(12)):
        following = [s for s in game.steps(state) if s != state]
        if not following:
            break
        state = lots.choice(following)
    fork = Fork(game, lots, [state.attempt, state.attempt], {})
    for member in sorted(game.honest):
        fork.home[member] = lots.randrange(2)
        gives_up = bool(lots.getrandbits(1))
        word = due(state.attempt, member, OwnState(gives_up=gives_up, holds=True))
        if word and lots.getrandbits(1):
            fork.on_the_way[member] = word
    return fork


def ends(game: Game, seed: int, runs: int = RUNS) -> set[tuple[bool, bool]]:
    """Over many forks: whether one board is released, and whether one is thawed."""
    lots, found = random.Random(seed), set[tuple[bool, bool]]()
    for _ in range(runs):
        fork = parted(game, lots)
        fork.play()
        released = any(board.is_released for board in fork.boards)
        found.add((released, any(board.is_thawed for board in fork.boards)))
    return found


def rosters(n_old: int, quorum: int, new: tuple[int, ...]) -> Rosters:
    faults = (n_old - 1) // 3
    return Rosters(n_old, quorum, (n_old + faults) // 2 + 1, quorum, new)


@pytest.mark.parametrize(
    ("n_old", "new", "liars"),
    [
        (3, (4, 5, 6), {4}),
        (3, (1, 2, 4), {4}),
        (4, (5, 6, 7), {1, 5}),
        (4, (1, 2, 3, 4), {2}),
        (4, (1, 2, 5), {4, 5}),
        (7, (1, 2, 3, 8), {6, 7, 8}),
    ],
)
def test_no_two_boards_end_an_attempt_in_two_ways(
    n_old: int, new: tuple[int, ...], liars: set[int]
) -> None:
    game = Game(rosters(n_old, 2, new), frozenset(liars))
    found = ends(game, n_old)
    assert (True, True) not in found
    assert {(True, False), (False, True)} <= found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_more_forks(seed: int) -> None:
    for n_old, new, liars in ((4, (1, 2, 5), {4, 5}), (7, (1, 2, 3, 8), {6, 7, 8})):
        assert (True, True) not in ends(Game(rosters(n_old, 2, new), frozenset(liars)), seed, 2_000)


def test_more_liars_than_are_assumed_can_do_it() -> None:
    game = Game(rosters(4, 2, (5, 6, 7)), frozenset({1, 2}))
    assert (True, True) in ends(game, 1)


def test_the_order_on_the_board_alone_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attempt, "_is_confirmed", property(lambda board: True))
    game = Game(rosters(3, 2, (4, 5, 6)), frozenset({4}))
    assert (True, True) in ends(game, 2)
