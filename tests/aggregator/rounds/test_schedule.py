"""When rounds open, and for whom they wait: from the board and the time alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregator.rounds.omission import TOO_NEAR
from aggregator.status.text import render
from protocol.messages.rounds import Opening, SetLock
from protocol.rounds.statistic import NO_MODEL
from tests.stage.desk import MODEL, SECONDS, Desk, MakeDesk, federation

ZERO, FIRST, SECOND, THIRD = (f"study/cardio/{number}" for number in range(4))


def first_opening(desk: Desk) -> Opening:
    """Of the study's round 1, from what members have stated without bounds."""
    return Opening(desk.study(FIRST).digest, desk.epoch.digest, MODEL, 5)


def test_nothing_opens_before_there_is_a_key(desk: Desk) -> None:
    training = desk.found(desk.training())
    desk.state(training.round(0), desk.federation.members)
    desk.found(desk.statistic())
    assert not desk.wait(10 * SECONDS)
    desk.certify()
    assert desk.wait(0)
    assert desk.is_open(FIRST)
    assert desk.is_open("study/age/1")


def test_a_round_opens_at_once_when_all_members_hold_the_same_model(desk: Desk) -> None:
    desk.found_training()
    desk.state(ZERO, [1, 2, 4])
    assert not desk.wait(0)
    desk.state(ZERO, [3])
    assert desk.wait(0)
    assert desk.opening(FIRST) == first_opening(desk)
    assert not desk.wait(0)


def test_without_all_members_a_round_opens_when_they_were_waited_for(desk: Desk) -> None:
    desk.found_training()
    desk.state(ZERO, [1, 4])
    assert not desk.wait(10 * SECONDS)  # two are too few, however long they wait
    desk.state(ZERO, [3])
    assert not desk.wait(SECONDS - 1)
    desk.restart()
    assert desk.wait(1)
    assert desk.is_open(FIRST)


OTHER = b"other" + bytes(27)


@pytest.mark.parametrize("other", [{"model": OTHER}, {"length": 6}])
def test_one_member_that_states_something_else_keeps_nobody_from_training(
    desk: Desk, other: dict[str, Any]
) -> None:
    desk.found_training()
    desk.state(ZERO, [3], **other)
    desk.state(ZERO, [1, 2, 4])
    assert desk.wait(0)
    assert desk.opening(FIRST) == first_opening(desk)


def test_the_widest_bounds_hold_that_anybody_asks_for(desk: Desk) -> None:
    *agreeing, wronged = desk.federation.members
    desk.found_training()
    desk.state(ZERO, agreeing, clip=0.5, max_examples=64)
    desk.state(ZERO, [wronged], clip=1.0, max_examples=32)
    assert desk.wait(0)
    opening = desk.opening(FIRST)
    assert (opening.model, opening.clip, opening.max_examples) == (MODEL, 1.0, 64)


def test_who_stands_at_another_model_is_named(desk: Desk) -> None:
    desk.found_training()
    desk.state(ZERO, [1, 2])
    desk.state(ZERO, [3], model=OTHER)
    assert desk.service.rounds.disagreement("cardio") == {
        1: MODEL, 2: MODEL, 3: OTHER
    }  # fmt: skip


def test_no_round_opens_while_too_few_hold_one_model_to_lock_a_sum(desk: Desk) -> None:
    """Two of four: two others could hold another model, and neither half could open a sum."""
    desk.found_training()
    desk.state(ZERO, [1, 2])
    desk.state(ZERO, [3, 4], model=OTHER)
    assert not desk.wait(10 * SECONDS)
    desk.state(ZERO, [3])
    assert desk.wait(0)


def test_enough_to_add_are_not_enough_to_lock(tmp_path: Path) -> None:
    """Seven, f = 2: a sum has four at least, and five lock it."""
    desk = Desk(tmp_path, federation(n=7))
    desk.certify()
    study = desk.found(desk.training(), 1, 2, 3, 4)
    desk.state(ZERO, [1, 2, 3, 4])
    assert not desk.wait(10 * SECONDS)
    desk.approve(study, 5, contribute=False)
    assert not desk.wait(SECONDS - 1)
    assert desk.wait(1)


def test_who_states_something_else_time_and_again_delays_nobody(desk: Desk) -> None:
    desk.found_training()
    desk.state(ZERO, [1, 2, 4])
    for turn in range(3):
        desk.state(ZERO, [3], model=bytes([turn]) * 32)
    assert desk.wait(0)


def test_who_has_not_spoken_is_waited_for_from_the_last_needed_statement_on(desk: Desk) -> None:
    desk.found_training()
    desk.state(ZERO, [1, 2])
    assert not desk.wait(10 * SECONDS)
    desk.state(ZERO, [4])
    assert not desk.wait(SECONDS - 1)
    assert desk.wait(1)


@pytest.mark.parametrize("length", [0, 11_000_001, 10_900_000, 1 << 30, 1 << 40])
def test_no_round_opens_whose_contributions_nobody_could_send(desk: Desk, length: int) -> None:
    desk.found_training()
    desk.state(ZERO, desk.federation.members, length=length)
    assert not desk.wait(0)
    assert desk.service.status({})["too_long"] == {FIRST: length}


def test_no_statistic_opens_whose_contributions_nobody_could_send(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.certify()
    desk.found(desk.statistic("long", 100_000))
    desk.found(desk.statistic("short", 10))
    rounds, epoch = desk.service.rounds, desk.epoch
    both = {"study/long/1", "study/short/1"}
    assert {s for s, _ in rounds.to_open(epoch, lambda since: 0)} == both
    wide = msgspec.structs.replace(epoch, n=b"\xff" * 384)  # 3072 bits
    assert {s for s, _ in rounds.to_open(wide, lambda since: 0)} == {"study/short/1"}
    assert rounds.too_long(wide) == {"study/long/1": 100_000}


def test_rounds_follow_each_other_up_to_the_agreed_number(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.open_training(rounds=2)
    for number in (1, 2):
        session = f"study/cardio/{number}"
        assert desk.is_open(session)
        desk.fill(session)
        assert desk.wait(0)
        desk.state(session, desk.federation.members, model=bytes([number]) * 32)
        assert desk.wait(0) == (number == 1)
    assert not desk.is_open(THIRD)


def test_the_next_round_waits_for_the_last_ones_statements(desk: Desk) -> None:
    desk.open_training()
    desk.fill(FIRST)
    assert desk.wait(0)
    assert not desk.wait(10 * SECONDS)
    assert not desk.is_open(SECOND)


def test_a_statistic_opens_when_all_have_approved_it_and_once(desk: Desk) -> None:
    session = desk.open_statistic(length=2)
    study = desk.study(session)
    assert desk.opening(session) == Opening(study.digest, desk.epoch.digest, NO_MODEL, 2)
    assert not desk.wait(10 * SECONDS)


def test_a_restarted_service_opens_no_round_twice(desk: Desk) -> None:
    desk.open_training()
    desk.restart()
    assert not desk.wait(0)
    entries = desk.service.board.session(FIRST)
    assert sum(isinstance(p.post.body, Opening) for p in entries) == 1


# ── after a void round ──


def void(desk: Desk, members: Sequence[int], **changes: Any) -> None:
    """Round 1 over some members; hospitals lock it, and still stand where they stood."""
    desk.open_training(**changes)
    desk.fill(FIRST, *members)
    assert desk.wait()
    chosen = desk.service.rounds.views[FIRST].chosen(desk.federation.terms.federation)
    assert chosen is not None
    for member in desk.federation.members[: desk.federation.terms.lock_threshold]:
        desk.say(member, FIRST, SetLock(chosen))
    desk.state(FIRST, desk.federation.members)
    assert desk.wait(0)
    assert desk.is_open(SECOND)


def test_after_a_void_round_whoever_was_in_it_is_waited_for(desk: Desk) -> None:
    void(desk, (1, 2, 3, 4))
    desk.fill(SECOND, 1, 2, 4)
    assert not desk.wait(10 * SECONDS)
    assert desk.service.summing.left_out[SECOND] == dict.fromkeys((1, 2, 4), TOO_NEAR)
    (line,) = [x for x in render(desk.service.status({}), None) if x.startswith("cardio/2:")]
    assert "held back" in line
    assert "closes as soon as H3 contributes" in line
    desk.contribute(3, SECOND)
    assert desk.wait(0)
    assert desk.contributors(SECOND) == [1, 2, 3, 4]
    assert desk.service.summing.left_out[SECOND] == {}
    assert desk.service.summing.held_back == {}


def test_nobody_is_waited_for_whose_only_contribution_cannot_be_added(desk: Desk) -> None:
    void(desk, (1, 2, 3, 4))
    desk.fill(SECOND, 1, 2, 4)
    desk.contribute(3, SECOND, payload=b"junk")
    desk.wait(10 * SECONDS)
    assert desk.closing(SECOND) is None
    (line,) = [x for x in render(desk.service.status({}), None) if x.startswith("cardio/2:")]
    assert "held back" in line
    assert "closes as soon" not in line
    assert "3 hospitals can end the study cardio" in line


def test_another_model_goes_on_where_a_round_is_held_back(desk: Desk) -> None:
    void(desk, (1, 2, 3, 4))
    desk.fill(SECOND, 1, 2, 4)
    assert not desk.wait(10 * SECONDS)
    desk.state(SECOND, [1, 2, 4], model=OTHER)
    assert desk.wait()
    assert desk.opening(THIRD).model == OTHER
    desk.contribute(3, SECOND)  # in vain: it is given up
    assert not desk.wait(10 * SECONDS)
    report: dict[str, Any] = desk.service.status({})
    assert not any("held back" in line for line in render(report, None))
    assert [found["session"] for found in report["waiting"]] == [THIRD]
    desk.fill(THIRD, 1, 2, 4)
    assert desk.wait()
    assert desk.contributors(THIRD) == [1, 2, 4]


def test_a_round_is_not_held_back_where_some_of_its_hospitals_may_be_added(tmp_path: Path) -> None:
    """Six of six are open: three of them and the three others hide one another."""
    desk = Desk(tmp_path, federation(n=6))
    void(desk, range(1, 7))
    desk.fill(SECOND, *range(1, 6))
    assert desk.wait()
    assert desk.contributors(SECOND) == [1, 2, 3]
    assert desk.service.summing.left_out[SECOND] == dict.fromkeys((4, 5), TOO_NEAR)


def test_after_a_void_round_whoever_was_not_in_it_is_left_out(desk: Desk) -> None:
    void(desk, (1, 2, 4))
    desk.fill(SECOND, 1, 2, 3, 4)
    assert desk.wait(0)
    assert desk.contributors(SECOND) == [1, 2, 4]
    assert desk.service.summing.left_out[SECOND] == {3: TOO_NEAR}
