"""For which rounds a hospital waits before it freezes."""

from pathlib import Path

import pytest

from participant.handover.open_rounds import has_open_rounds
from protocol.messages.bodies import Refusal
from tests.stage.desk import Desk


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
