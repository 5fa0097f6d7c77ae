"""How a study stands, told without a look at rounds of long ago."""

from unittest import mock

from participant.study.listing import standing_of
from protocol.board.board import Board
from tests.stage.record.good import ROUND, good
from tests.stage.studies import STUDY


def test_only_the_last_rounds_are_looked_at() -> None:
    board = good().toy.table.board
    state = board.studies[STUDY]
    with mock.patch.object(Board, "session", autospec=True, side_effect=Board.session) as asked:
        found = standing_of(board, state, 1)
    assert (found.opened, found.locked) == (3, 3)
    assert {call.args[1] for call in asked.call_args_list} == {ROUND[3], ROUND[4]}


def test_a_round_that_was_opened_before_its_time_counts_once_those_before_it_are_open() -> None:
    board = good().toy.table.board
    state = board.studies[STUDY]
    with mock.patch.object(Board, "opened", return_value=1):
        assert standing_of(board, state, 1).opened == 3
