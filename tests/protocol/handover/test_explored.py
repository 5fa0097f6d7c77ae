"""Every order of words, durable steps and crashes of one attempt: nothing is lost, nobody waits."""

from collections.abc import Callable

import pytest

from protocol.handover import Attempt, Rosters, attempt, conduct
from tests.protocol.handover import explorer
from tests.protocol.handover.explorer import Game, State, dealt, explore

THREE_TO_THREE = Rosters(3, 2, 2, 2, new=(4, 5, 6))
ONE_LEAVES = Rosters(3, 2, 2, 2, new=(1, 2, 4))
REFRESH = Rosters(3, 2, 2, 2, new=(1, 2, 3))
GAMES = {
    "all honest": Game(THREE_TO_THREE),
    "an old liar": Game(THREE_TO_THREE, frozenset({1})),
    "a new liar": Game(THREE_TO_THREE, frozenset({4})),
    "one leaves": Game(ONE_LEAVES),
    "a liar stays": Game(ONE_LEAVES, frozenset({1})),
    "a liar leaves": Game(ONE_LEAVES, frozenset({3})),
    "a liar comes": Game(ONE_LEAVES, frozenset({4})),
    "refresh": Game(REFRESH),
    "refresh with a liar": Game(REFRESH, frozenset({2})),
}
each_game = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
all_starts = pytest.mark.parametrize(
    "start", [dealt, pytest.param(lambda game: None, marks=pytest.mark.slow)], ids=["dealt", "all"]
)


def no_key_is_lost(game: Game) -> Callable[[State], None]:
    """Whoever is honest can use one epoch, and nothing that may be needed is erased."""
    rosters, honest = game.rosters, game.honest
    honest_new = honest.intersection(rosters.new)

    def check(state: State) -> None:
        board = state.attempt
        assert not (board.is_released and board.is_thawed)
        if board.is_released:
            assert honest_new <= state.holding - state.erased_new
        if state.erased_old:
            assert board.is_settled
        if state.erased_new:
            assert board.is_thawed
        if board.shown & honest:
            assert board.shown & honest <= state.holding
        if board.committed & honest:
            assert board.committed & honest <= state.dealings
        assert not (board.may_open and board.is_released)
        if board.is_dealt and not board.is_thawed:
            assert sum(map(board.may_lock, rosters.old)) < rosters.lock_threshold

    return check


@all_starts
@each_game
def test_no_order_loses_the_key_and_honest_members_come_to_an_end(
    game: Game, start: Callable[[Game], State | None]
) -> None:
    last = explore(game, no_key_is_lost(game), start(game))
    assert {s.attempt.is_released for s in last} == {True, False}
    for state in last:
        assert state.attempt.is_released or state.attempt.is_thawed
        if state.attempt.is_settled:
            assert state.erased_old >= game.honest.intersection(game.rosters.old)


def test_where_all_are_honest_and_nobody_gives_up_the_key_is_handed_over() -> None:
    for rosters in (THREE_TO_THREE, ONE_LEAVES, REFRESH):
        game = Game(rosters, patient=True)
        last = explore(game, no_key_is_lost(game), dealt(game))
        assert all(state.attempt.is_settled for state in last)


def test_a_silent_newcomer_freezes_the_old_epoch_for_a_time_alone() -> None:
    game = Game(ONE_LEAVES, frozenset({4}))
    start = dealt(game)
    last = explore(game, lambda state: None, start)
    silent = [state for state in last if 4 not in state.attempt.shown]
    assert silent
    assert all(state.attempt.is_thawed for state in silent)
    assert all(state.attempt.may_lock(1) and state.attempt.may_open for state in silent)


# ── what must not go unnoticed ──

Plant = Callable[[pytest.MonkeyPatch], None]


def shown_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(explorer, "is_to_store_share", lambda *about: False)
    real = conduct.OwnState
    patch.setattr(explorer, "OwnState", lambda **facts: real(**facts | {"holds": True}))


def erased_once_it_is_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(explorer, "may_erase_old", lambda board: board.outcome == "held")


def erased_once_it_is_void(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(explorer, "may_erase_new", lambda board: bool(board.voids))


def committed_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(explorer, "is_to_make_dealing", lambda *about: False)
    real = conduct.OwnState
    patch.setattr(explorer, "OwnState", lambda **facts: real(**facts | {"has_dealing": True}))


def held_with_one_missing(patch: pytest.MonkeyPatch) -> None:
    real = Attempt.after

    def after(board: Attempt, sender: int, word: attempt.HandoverWord) -> Attempt:
        found = real(board, sender, word)
        if len(found.shown) == len(found.rosters.new) - 1 and not found.outcome:
            return attempt.replace(found, outcome="held")
        return found

    patch.setattr(Attempt, "after", after)


def nobody_thaws(patch: pytest.MonkeyPatch) -> None:
    real = conduct.due

    def due(board: Attempt, member: int, own: conduct.OwnState) -> attempt.HandoverWord | None:
        return None if board.outcome == "void" else real(board, member, own)

    patch.setattr(explorer, "due", due)


@pytest.mark.parametrize(
    "plant",
    [
        shown_before_it_is_durable, erased_once_it_is_held, erased_once_it_is_void,
        held_with_one_missing, nobody_thaws,
    ],
)  # fmt: skip
def test_a_rule_that_is_left_out_is_noticed(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    game = GAMES["one leaves"]
    start = dealt(game)
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        test_no_order_loses_the_key_and_honest_members_come_to_an_end(game, lambda game: start)


@pytest.mark.slow
def test_a_dealing_that_is_not_durable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    committed_before_it_is_durable(monkeypatch)
    game = GAMES["one leaves"]
    with pytest.raises(AssertionError):
        test_no_order_loses_the_key_and_honest_members_come_to_an_end(game, lambda game: None)
