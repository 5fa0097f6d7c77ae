"""What becomes of rounds when the key is handed over."""

from pathlib import Path

import pytest

from protocol.handover import HandoverView
from protocol.messages.handover import Content, DealingCommitment
from protocol.messages.rounds import Closing
from tests.stage.desk import MODEL, SECONDS, Desk
from tests.stage.handover.at_desk import handing_over
from tests.stage.handover.posted import PostedHandover

ZERO, FIRST, SECOND = (f"study/cardio/{number}" for number in range(3))
TO_GUESTS: list[int | str] = ["G1", 3, 1, 4, "G2"]
NEXT = b"next" * 8


def agreed(view: HandoverView) -> bool:
    return view.attempt.is_agreed


def frozen(view: HandoverView) -> bool:
    return view.attempt.is_frozen


def held(view: HandoverView) -> bool:
    return view.attempt.outcome == "held"


def waits(desk: Desk) -> list[tuple[str, str]]:
    return [(session, found.step) for session, found in desk.service.rounds.awaited()]


def given_up(desk: Desk, session: str = FIRST) -> bool:
    rounds = desk.service.rounds
    return rounds.is_given_up(rounds.views[session])


def without_a_dealer(handed: PostedHandover, sender: int, content: Content) -> Content | None:
    return None if sender == 1 and isinstance(content, DealingCommitment) else content


def end_of_first(desk: Desk) -> None:
    """Round 1 is summed, and all have its model."""
    desk.open_training()
    desk.fill(FIRST)
    assert desk.wait(0)
    desk.state(FIRST, desk.federation.members, model=NEXT)


# ── rounds that are to open ──


def test_no_round_opens_while_the_key_is_handed_over_and_the_next_one_is_of_the_new_epoch(
    desk: Desk,
) -> None:
    desk.found_training()
    handed = handing_over(desk)
    assert desk.is_open(desk.open_statistic()), "before it is agreed, all goes on"
    handed.run(agreed)
    desk.state(ZERO, desk.federation.members)
    assert not desk.wait(10 * SECONDS)
    assert (FIRST, "opening") in waits(desk)
    handed.run()
    assert desk.wait(0)
    opening = desk.opening(FIRST)
    assert (opening.epoch, opening.model) == (handed.new_epoch.digest, MODEL)
    assert opening.epoch != desk.epoch.digest
    desk.restart()
    assert desk.opening(FIRST) == opening


def test_after_a_thaw_rounds_open_under_the_old_epoch(desk: Desk) -> None:
    end_of_first(desk)
    handed = handing_over(desk)
    handed.tamper = without_a_dealer
    handed.run(frozen)
    assert not desk.wait(0)
    assert handed.run().view.attempt.is_thawed
    assert desk.wait(0)
    assert desk.opening(SECOND).epoch == desk.opening(FIRST).epoch


# ── rounds that are open ──


def test_an_open_round_is_summed_while_members_freeze(desk: Desk) -> None:
    desk.open_training()
    handed = handing_over(desk).run(frozen)
    desk.fill(FIRST)
    assert desk.wait(0)
    assert isinstance(desk.closing(FIRST), Closing)
    assert waits(desk) == [(FIRST, "locks")]
    assert not given_up(desk)
    assert not handed.view.attempt.outcome


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_round_that_is_not_opened_by_then_is_over_and_nothing_is_summed(
    desk: Desk, is_restarted: bool
) -> None:
    desk.open_training()
    handed = handing_over(desk)
    desk.fill(FIRST)
    handed.run(held)
    if is_restarted:
        desk.restart()
    assert given_up(desk)
    assert waits(desk) == [(SECOND, "statements")]
    assert not desk.wait(10 * SECONDS)
    assert desk.closing(FIRST) is None


def test_a_sum_without_locks_is_waited_for_no_more(desk: Desk) -> None:
    desk.open_training()
    desk.fill(FIRST)
    assert desk.wait(0)
    assert waits(desk) == [(FIRST, "locks")]
    handing_over(desk).run()
    assert given_up(desk)
    assert waits(desk) == [(SECOND, "statements")]
    assert desk.service.rounds.is_lost(desk.service.rounds.views[FIRST])


def test_a_study_goes_on_from_its_lost_round_once_members_state_a_model(desk: Desk) -> None:
    desk.open_training()
    handed = handing_over(desk).run()
    assert not desk.wait(10 * SECONDS)
    desk.state(FIRST, desk.federation.members, model=MODEL)
    assert desk.wait(0)
    assert desk.opening(SECOND).epoch == handed.new_epoch.digest


def test_a_lost_round_keeps_no_other_study_waiting(desk: Desk) -> None:
    desk.open_training()
    handing_over(desk).run()
    assert desk.is_open(desk.open_statistic())


def test_once_another_federation_has_the_key_nobody_is_waited_for(desk: Desk) -> None:
    end_of_first(desk)
    desk.found(desk.statistic(), 1, 2)  # too few have approved it
    assert len(waits(desk)) == 2
    handing_over(desk, TO_GUESTS, 3).run()
    assert waits(desk) == []
    assert not desk.wait(10 * SECONDS)


def test_what_was_added_of_a_vector_is_let_go_of(tmp_path: Path) -> None:
    desk = Desk(tmp_path, suite="hybrid")
    desk.open_training()
    handed = handing_over(desk)
    view = desk.service.rounds.views[FIRST]
    desk.service.summing._hybrid_round(view)
    desk.service.summing.held_back[FIRST] = frozenset({3})
    handed.run(held)
    desk.service.tick()
    assert desk.service.summing._hybrid == {}
    assert desk.service.summing.held_back == {}
