"""For which rounds a hospital waits before it freezes."""

from pathlib import Path

import pytest

from participant.handover.open_rounds import has_open_rounds, has_unstated_models
from protocol.board.draft import Draft
from protocol.messages.plan import Ending
from protocol.messages.rounds import Refusal, Statement
from tests.stage.desk import Desk
from tests.stage.rounds.delayed import LENGTH, DelayedTable
from tests.stage.toy import toy_epoch


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path / "aggregator")
    found.certify()
    return found


def test_a_round_is_waited_for_from_its_opening_until_too_many_refuse_to_open_it(
    desk: Desk,
) -> None:
    study = desk.found(desk.statistic())
    session = study.round(1)
    assert not has_open_rounds(desk.service.board)
    while desk.service.tick():
        pass
    assert desk.opening(session) is not None
    assert has_open_rounds(desk.service.board)
    desk.fill(session, 1, 2, 3)
    desk.wait()
    assert desk.contributors(session) == [1, 2, 3]
    assert has_open_rounds(desk.service.board)
    for member in (1, 2):
        desk.say(member, session, Refusal("min-contributors", 0, "too few"))
    assert not has_open_rounds(desk.service.board)


def test_before_others_take_the_key_over_a_model_is_waited_for_until_enough_state_it() -> None:
    table = DelayedTable(toy_epoch(5, 3))
    session = table.begin("cardio")
    assert not has_unstated_models(table.board)
    table.contribute(session, (1, 2, 3))
    table.close_round(session)
    table.settle(session)
    assert not has_open_rounds(table.board)
    for member in (1, 2, 3):
        assert has_unstated_models(table.board)
        table.say(member, Draft(session, Statement(b"m" * 32, LENGTH, 8.0, 1_000)))
    assert not has_unstated_models(table.board)


def test_no_model_is_waited_for_where_its_study_has_ended() -> None:
    table = DelayedTable(toy_epoch(5, 3))
    session = table.begin("cardio")
    table.contribute(session, (1, 2, 3))
    table.close_round(session)
    table.settle(session)
    study = table.study_of(session)
    for member in (1, 2, 3, 4):
        table.say(member, Draft(study.session, Ending(study.digest)))
    assert not has_unstated_models(table.board)
