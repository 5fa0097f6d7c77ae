"""A study goes on from the model before where the key was refreshed while a round was open."""

from dataclasses import replace

import msgspec
import pytest

from participant.errors import StudyEnded
from protocol.board.draft import Draft
from protocol.errors import Refused
from protocol.messages.attachment import attach
from protocol.messages.bodies import Ending
from protocol.messages.rounds import Contribution, Partial, Refusal, SetLock, Statement
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.refreshed import FIRST, FIVE, TOY, Refreshed
from tests.stage.rounds.round_table import RoundTable

SECOND, THIRD = "study/cardio/2", "study/cardio/3"


@pytest.fixture
def table() -> Refreshed:
    found = Refreshed()
    found.come(*FIVE)
    return found


@pytest.mark.parametrize("keeps_old", [True, False])
@pytest.mark.parametrize("until", [Contribution, SetLock, Partial])
def test_the_study_goes_on_from_the_model_before_with_the_next_round(
    table: Refreshed, until: type, keeps_old: bool
) -> None:
    tasks = dict(table.tasks)
    table.until(until)
    fits = {i: table.apps[i].fits for i in FIVE}
    table.refresh(keeps_old)
    table.settle()
    assert table.finished() == {1}
    assert {i: table.apps[i].fits for i in FIVE} == fits, "nobody trains for the lost round"
    view = table.view(FIRST)
    assert view.opening is not None
    assert {s.result for s in view.statements.values()} == {view.opening.post.body.model}
    assert set(view.statements) == set(FIVE)
    assert table.told("lost-round") == 5 * [(1, {"handover": "handover/1"})]
    table.play(SECOND)
    opening = table.view(SECOND).opening
    assert opening is not None
    assert opening.post.body.epoch == table.toy.epoch.digest != TOY.epoch.digest
    assert table.finished() == {2}
    assert table.tasks == tasks
    assert [table.model_of(i) for i in FIVE] == pytest.approx(5 * [0.3], abs=0.001)
    assert not table.said_by(FIRST, Partial) | table.said_by(FIRST, Refusal)


def test_the_lost_round_is_one_of_the_rounds_of_the_plan(table: Refreshed) -> None:
    table.until(SetLock)
    table.refresh()
    rounds = table.study_of(FIRST).rounds
    for number in range(2, rounds + 1):
        table.play(table.session(number))
    assert all(task.done for task in table.tasks.values())
    assert all(app.fits == rounds for app in table.apps.values())
    assert [table.model_of(i) for i in FIVE] == pytest.approx(5 * [0.3 * (rounds - 1)], abs=0.01)


def test_parts_that_come_too_late_open_nothing(table: Refreshed) -> None:
    """A lock stands before the freeze; two parts come in time, and three are needed."""
    table.until(Partial)
    table.say_now(Partial, 1, 2)
    late = RoundTable.due(table, 3)
    assert late is not None
    assert isinstance(late.body, Partial)
    table.refresh()
    table.publish(3, late)
    assert table.said_by(FIRST, Partial) == {1, 2}, "the board counts it no more"
    table.settle()
    assert table.finished() == {1}
    assert len(table.told("lost-round")) == 5
    assert table.model_of(1) == 0
    table.play(SECOND)
    assert table.finished() == {2}


def test_a_sum_that_can_be_opened_by_then_is_opened_and_nobody_owes_a_part(
    table: Refreshed,
) -> None:
    table.until(Partial)
    table.say_now(Partial, 1, 2, 3)
    table.refresh()
    table.settle()
    assert table.finished() == {1}
    assert not table.told("lost-round")
    assert [table.model_of(i) for i in FIVE] == pytest.approx(5 * [0.3], abs=0.001)
    table.play(SECOND)
    assert table.finished() == {2}
    assert table.said_by(SECOND, Contribution) == set(FIVE), "also of those who gave no part"


def test_nothing_is_lost_before_the_attempt_is_held(table: Refreshed) -> None:
    table.until(Partial)
    handed = PostedHandover(table, TOY.secrets, list(FIVE), TOY.epoch.quorum)
    handed.run(lambda view: view.attempt.is_frozen)
    table.settle()
    assert not table.told("lost-round")
    assert table.finished() == {1}
    assert table.model_of(1) == pytest.approx(0.3, abs=0.001)


def test_a_hospital_that_comes_back_later_judges_alike(table: Refreshed) -> None:
    table.until(SetLock)
    del table.tasks[5]
    table.refresh(keeps_old=False)
    table.settle()
    table.play(SECOND)
    table.settle()
    table.come(5)
    table.settle()
    assert table.finished() == {2}
    assert [n for n, name, _ in table.events[5] if name == "lost-round"] == [1]
    assert table.model_of(5) == table.model_of(1)
    table.play(THIRD)
    assert table.said_by(THIRD, Contribution) == set(FIVE)


def test_a_restart_loses_the_round_no_second_time(table: Refreshed) -> None:
    table.until(SetLock)
    table.refresh()
    table.settle()
    table.come(*FIVE)
    table.settle()
    assert not table.told("lost-round")
    assert table.finished() == {1}
    table.play(SECOND)
    assert table.finished() == {2}


def test_a_round_that_was_locked_counts_as_open_in_the_next_one(table: Refreshed) -> None:
    """The next one begins from the same model, and less one member would show that one's."""
    table.until(Partial)
    table.refresh()
    table.settle()
    table.tasks.pop(5)
    with pytest.raises(Refused, match="with the sum of cardio/1 it shows what H5 alone added"):
        table.play(SECOND)
    assert not table.said_by(SECOND, SetLock)


def test_a_round_that_nobody_locked_is_compared_with_none(table: Refreshed) -> None:
    table.until(SetLock)
    table.refresh()
    table.settle()
    table.tasks.pop(5)
    table.play(SECOND)
    assert table.finished() == {2}


def test_a_study_that_has_ended_goes_on_from_nothing(table: Refreshed) -> None:
    table.until(Partial)
    table.refresh()
    plan = table.study_of(FIRST).digest
    for i in FIVE:
        table.spread(i, Draft("study/cardio", Ending(plan)))
    for i in FIVE:
        with pytest.raises(StudyEnded):
            table.due(i)
    assert not table.said_by(FIRST, Statement)


# ── parts that are wrong ──


def without_key(draft: Draft, *victims: int) -> Draft:
    """A part that some of its readers cannot open."""
    assert isinstance(draft.body, Partial)
    found = [attach(b"junk", a.to) if a.to in victims else a for a in draft.body.attachments]
    return replace(draft, body=msgspec.structs.replace(draft.body, attachments=tuple(found)))


def two_parts_and_one_for(table: Refreshed, *able: int) -> None:
    """Of three parts that come in time, only these readers can open the third one."""
    table.until(Partial)
    table.say_now(Partial, 1, 2)
    said = table.due(3)
    assert said is not None
    table.publish(3, without_key(said, *set(FIVE).difference(able)))


def test_a_part_that_nobody_can_open_does_not_count(table: Refreshed) -> None:
    two_parts_and_one_for(table, 3)
    del table.tasks[3]
    table.refresh()
    table.settle()
    assert table.finished() == {1}
    assert len(table.told("lost-round")) == 4
    assert {about for _, about in table.view(FIRST).complaints} == {3}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_who_alone_can_open_a_part_follows_the_others(table: Refreshed, is_restarted: bool) -> None:
    two_parts_and_one_for(table, 1, 3)
    assert table.model_of(1) == pytest.approx(0.3, abs=0.001)
    if is_restarted:
        table.come(1)
    table.refresh(keeps_old=False)
    table.settle()
    assert table.finished() == {1}
    assert {n for n, _ in table.told("lost-round")} == {1}
    assert len(table.told("lost-round")) == 5
    assert [table.model_of(i) for i in FIVE] == 5 * [0]
    table.play(SECOND)
    assert table.finished() == {2}
    assert table.said_by(SECOND, Contribution) == set(FIVE)


def test_nobody_follows_too_few(table: Refreshed) -> None:
    two_parts_and_one_for(table, 1, 2, 3)
    table.refresh()
    table.settle()
    assert [table.model_of(i) > 0.2 for i in FIVE] == [True, True, True, False, False]


@pytest.mark.parametrize("has_locked", [True, False])
def test_without_the_old_share_a_hospital_follows_the_others(
    table: Refreshed, has_locked: bool
) -> None:
    """It was away, and cannot look whether the parts that came in time are right."""
    table.until(SetLock)
    table.say_now(SetLock, *FIVE if has_locked else (1, 2, 3, 4))
    del table.tasks[5]
    table.say_now(Partial, 1, 2)
    said = table.due(3)
    assert said is not None
    table.publish(3, without_key(said, 1, 2, 4, 5))
    del table.tasks[3]
    table.refresh(keeps_old=False)
    table.settle()
    table.come(5)
    table.settle()
    assert table.finished() == {1}
    assert len(table.told("lost-round")) == 4
    assert not table.said_by(FIRST, Refusal)


def test_a_round_that_changed_nothing_is_not_taken_for_lost(table: Refreshed) -> None:
    for app in table.apps.values():
        app.step = 0.0
    table.play(FIRST)
    table.refresh()
    table.settle()
    assert not table.told("lost-round")
