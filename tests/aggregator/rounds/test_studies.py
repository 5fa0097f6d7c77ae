"""What approvals, withdrawals and endings do to rounds, and several studies at once."""

import pytest

from aggregator.rounds.omission import WITHDRAWN
from aggregator.status.text import render
from protocol.board.study import Study
from protocol.messages.rounds import Refusal, SetLock
from protocol.wire.frames import Declined, Submit
from tests.stage.desk import SECONDS, Desk
from tests.stage.studies import proposal

ZERO, FIRST, SECOND = (f"study/cardio/{number}" for number in range(3))
OTHER = b"other" + bytes(27)


@pytest.fixture
def age(desk: Desk) -> Study:
    """A statistic that is proposed, and approved by nobody yet."""
    desk.certify()
    study = desk.statistic()
    draft = proposal(study)
    desk.say(1, draft.session, draft.body)
    return study


def test_no_round_opens_before_enough_have_approved_it(desk: Desk, age: Study) -> None:
    desk.approve(age, 1)
    desk.approve(age, 2)
    desk.approve(age, 3, contribute=False)
    assert not desk.wait(10 * SECONDS)  # two to add
    desk.approve(age, 4)
    assert desk.wait(0)


def test_no_round_opens_before_enough_would_open_its_sum(desk: Desk, age: Study) -> None:
    for member in (1, 2, 3, 4):
        desk.approve(age, member, opens=member < 3)
    assert not desk.wait(10 * SECONDS)
    desk.approve(age, 3)
    assert desk.wait(0)


def test_who_has_not_answered_is_waited_for_before_the_first_round(desk: Desk, age: Study) -> None:
    for member in (1, 2, 3):
        desk.approve(age, member)
    assert not desk.wait(SECONDS - 1)
    desk.restart()
    assert desk.wait(1)


def test_who_declines_is_not_waited_for(desk: Desk, age: Study) -> None:
    desk.approve(age, 4, contribute=False)
    for member in (1, 2, 3):
        desk.approve(age, member)
    assert desk.wait(0)


def test_who_approves_late_is_in_the_next_round_and_not_in_this(desk: Desk) -> None:
    desk.certify()
    study = desk.found(desk.training(), 1, 2, 3)
    desk.state(ZERO, [1, 2, 3])
    assert desk.wait()
    desk.approve(study, 4)
    answer = desk.ask(4, Submit(desk.sign(4, FIRST, desk.contribution(4, FIRST))))
    assert isinstance(answer, Declined)
    assert "approved after the round was opened" in answer.reason
    desk.fill(FIRST, 1, 2, 3)
    assert desk.wait(0)
    desk.state(FIRST, [1, 2, 3], model=OTHER)
    assert not desk.wait(SECONDS - 1)
    desk.state(FIRST, [4], model=OTHER)
    assert desk.wait(0)
    desk.fill(SECOND, 1, 2, 3)
    assert not desk.wait(0)
    desk.contribute(4, SECOND)
    assert desk.wait(0)
    assert desk.contributors(SECOND) == [1, 2, 3, 4]


def test_no_round_opens_while_too_few_still_approve(desk: Desk) -> None:
    study = desk.found_training()
    desk.state(ZERO, [1, 2, 4])
    desk.withdraw(study, 1)
    desk.withdraw(study, 2)
    desk.state(ZERO, [3])
    assert not desk.wait(10 * SECONDS)
    desk.approve(study, 1)
    assert desk.wait(0)


def test_who_votes_to_end_a_study_is_no_longer_counted(desk: Desk) -> None:
    study = desk.found_training()
    desk.end(study, 1, 2)
    desk.state(ZERO, [1, 2, 3, 4])
    assert not desk.wait(10 * SECONDS)


def test_a_closing_leaves_out_who_has_withdrawn(desk: Desk) -> None:
    desk.open_training()
    desk.fill(FIRST)
    desk.withdraw(desk.study(FIRST), 2)
    assert desk.wait(0)
    assert desk.contributors(FIRST) == [1, 3, 4]
    assert desk.service.summing.left_out[FIRST] == {2: WITHDRAWN}
    assert desk.service.rounds.views[FIRST].omissions[2].reason == "withdrawn"


def test_who_has_withdrawn_is_not_waited_for(desk: Desk) -> None:
    desk.open_training()
    desk.fill(FIRST, 1, 3, 4)
    desk.withdraw(desk.study(FIRST), 2)
    assert desk.wait(0)


def test_a_round_that_too_many_have_left_waits_for_them(desk: Desk) -> None:
    desk.open_training()
    study = desk.study(FIRST)
    desk.fill(FIRST, 1, 2, 4)
    desk.withdraw(study, 2)
    desk.withdraw(study, 3)
    assert not desk.wait(10 * SECONDS)
    ((session, found),) = desk.service.rounds.awaited()
    assert (session, found.step, found.members, found.needed) == (FIRST, "contributions", (2, 3), 1)
    desk.approve(study, 2)
    assert desk.wait(0)
    assert desk.contributors(FIRST) == [1, 2, 4]


def test_nothing_opens_and_nothing_closes_after_the_end_of_a_study(desk: Desk) -> None:
    desk.open_training()
    session = desk.open_statistic()
    study, other = desk.study(FIRST), desk.study(session)
    desk.fill(FIRST, 1, 2, 4)
    desk.fill(session, 1, 2, 4)
    desk.end(study, 1, 2)
    desk.end(study, 3)
    assert desk.wait(10 * SECONDS)
    assert desk.closing(FIRST) is None
    assert desk.closing(session)
    assert study.name not in [desk.study(s).name for s, _ in desk.service.rounds.awaited()]
    desk.end(other, 1, 2, 3)
    assert not desk.service.rounds.awaited(), "nobody has locked its sum, and nobody can"


def locked(desk: Desk) -> tuple[str, Study]:
    """The session of a statistic's round whose sum enough have locked, and its study."""
    session = desk.open_statistic()
    desk.fill(session)
    assert desk.wait(0)
    chosen = desk.service.rounds.views[session].chosen(desk.federation.terms.federation)
    assert chosen is not None
    for member in (1, 2, 3):
        desk.say(member, session, SetLock(chosen))
    return session, desk.study(session)


def test_after_the_end_the_parts_of_a_locked_sum_are_waited_for(desk: Desk) -> None:
    _, study = locked(desk)
    desk.end(study, 1, 2, 3)
    ((_, found),) = desk.service.rounds.awaited()
    assert (found.step, found.members, found.needed) == ("parts", (1, 2, 3), 2)


def test_after_the_end_no_sum_is_waited_for_that_too_few_still_help_with(desk: Desk) -> None:
    session, study = locked(desk)
    for member in (2, 3, 4):
        desk.say(member, session, Refusal("differencing", 0, "it would show too few"))
    ((_, found),) = desk.service.rounds.awaited()
    assert (found.step, found.members, found.refused) == ("parts", (1,), (2, 3, 4))
    (line,) = [one for one in told(desk) if one.startswith("waiting for")]
    assert "H2, H3, H4 refused, and will not." in line
    assert line.endswith(
        "3 hospitals can end the study age and go on in another one: "
        "quorate-participant study end age."
    )
    desk.end(study, 2, 3, 4)
    assert not desk.service.rounds.awaited()
    assert any("ended after round 1" in one for one in told(desk))


def told(desk: Desk) -> list[str]:
    """What the operator reads."""
    return render(desk.service.status({}), None)


# ── several studies ──


def test_rounds_of_several_studies_are_open_at_once(desk: Desk) -> None:
    first, second = desk.open_training(), desk.open_training(name="lungs")
    session = desk.open_statistic()
    assert all(map(desk.is_open, (first, second, session)))
    for each in (session, second, first):
        desk.fill(each)
        assert desk.wait(0)
        assert desk.closing(each)


def test_the_members_of_a_study_alone_are_waited_for(desk: Desk) -> None:
    desk.certify()
    study = desk.found(desk.training(members=(1, 2, 4)))
    desk.state(ZERO, [1, 2, 4])
    assert desk.wait(0)
    answer = desk.ask(3, Submit(desk.sign(3, FIRST, desk.contribution(3, FIRST))))
    assert isinstance(answer, Declined)
    desk.fill(FIRST, 1, 2, 4)
    assert desk.wait(0)
    assert desk.contributors(FIRST) == list(study.members)


def test_a_name_is_one_studys_for_good(desk: Desk) -> None:
    session = desk.open_statistic(length=2)
    other = desk.statistic(length=7)
    answer = desk.ask(2, Submit(desk.sign(2, other.session, other.plan)))
    assert isinstance(answer, Declined)
    assert "taken" in answer.reason
    assert desk.opening(session).length == 2
