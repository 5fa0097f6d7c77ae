"""Who is waited for in a study: those who may do what is due, and have not."""

from protocol.messages.rounds import Refusal, Statement
from protocol.messages.session import round_session
from protocol.rounds.awaited import Awaited, awaited_after, awaited_in, outlasts_end
from protocol.rounds.view import RoundView
from tests.stage.rounds.toy_round import TERMS, Round, closed, contributed, statistic, training
from tests.stage.studies import STUDY, training_plan


def before(found: Round) -> Awaited | None:
    """Before the first round."""
    return awaited_after(found.view_of(round_session(STUDY, 0)), found.state)


def now(found: Round) -> Awaited | None:
    return awaited_in(found.view, found.state)


def who(awaited: Awaited | None) -> tuple[str, tuple[int, ...], int]:
    assert awaited is not None
    return awaited.step, awaited.members, awaited.needed


def test_a_study_waits_for_approvals_of_whoever_has_not_answered():
    found = Round(approving=(1, 2))
    assert who(before(found)) == ("approvals", (3, 4, 5), 2)
    found.approve(3)
    found.withdraw(2)
    awaited = before(found)
    assert who(awaited) == ("approvals", (4, 5), 2)
    assert awaited is not None
    assert awaited.refused == (2,)


def test_training_waits_for_models_of_those_who_contribute():
    found = Round(plan=training_plan(TERMS, members=(1, 2, 3, 4)))
    found.withdraw(4)
    assert who(before(found)) == ("statements", (1, 2, 3), 3)
    for member in (1, 2):
        body = Statement(b"m" * 32, 5)
        found.put(found.sign(round_session(STUDY, 0), member, body))
    assert who(before(found)) == ("statements", (3,), 1)
    found.put(found.sign(round_session(STUDY, 0), 3, Statement(b"o" * 32, 5)))
    assert who(before(found)) == ("agreement", (3,), 1)
    found.put(found.sign(round_session(STUDY, 0), 3, Statement(b"m" * 32, 5)))
    assert who(before(found)) == ("opening", (0,), 1)


def test_a_round_waits_for_contributions_of_who_had_approved_before_it_and_still_does():
    found = Round(approving=(1, 2, 3, 4))
    found.open()
    found.approve(5)
    found.contribute(1, training(1))
    assert who(now(found)) == ("contributions", (2, 3, 4), 2)
    found.withdraw(4)
    assert who(now(found)) == ("contributions", (2, 3), 2)
    found.contribute(2, training(2))
    found.contribute(3, training(3))
    assert who(now(found)) == ("sum", (0,), 1)


def test_a_closed_round_waits_for_locks_of_openers_and_then_for_parts_of_who_has_locked():
    found = closed()
    found.approve(5, opens=False)
    assert who(now(found)) == ("locks", (1, 2, 3, 4), 4)
    for i in (1, 2, 3, 4):
        draft = found.due(i)
        assert draft
        found.publish(i, draft.body)
    found.withdraw(4)
    assert who(now(found)) == ("parts", (1, 2, 3, 4), 3)
    found.settle()
    assert now(found) is None


def locked_by_four() -> Round:
    """A closed round whose set all who approve have locked; the fifth holder has not approved."""
    found = Round(approving=(1, 2, 3, 4))
    found.open()
    for i in (1, 2, 3):
        found.contribute(i, training(i))
    found.close()
    for i in (1, 2, 3, 4):
        draft = found.due(i)
        assert draft
        found.publish(i, draft.body)
    return found


def test_where_too_few_have_locked_for_a_quorum_who_has_not_approved_is_named_too():
    found = locked_by_four()
    assert who(now(found)) == ("parts", (1, 2, 3, 4), 3)
    for i in (3, 4):
        found.publish(i, Refusal("differencing", 0, "it would show too few"))
    assert who(now(found)) == ("parts", (1, 2, 5), 3)


def test_after_the_end_nothing_is_awaited_but_parts_of_what_was_locked():
    for found in (contributed(), closed()):
        found.end(1, 2, 3, 4)
        assert now(found) is None
        assert before(found) is None
    locked = closed()
    locked.settle((1, 2, 3))
    draft = locked.due(4)
    assert draft
    locked.publish(4, draft.body)
    locked.end(1, 2, 3, 4)
    assert who(now(locked)) == ("parts", (1, 2, 3, 4), 3)


def test_a_sum_that_too_few_are_left_to_open_is_awaited_until_the_end_of_its_study():
    for whole in (False, True):
        found = locked_by_four()
        refusing = (2, 3, 4) if whole else (3,)
        for i in refusing:
            found.publish(i, Refusal("differencing", 0, "it would show too few"))
        awaited = now(found)
        assert awaited is not None
        assert awaited.refused == refusing
        assert awaited.is_refused == whole
        assert outlasts_end(found.view, TERMS) != whole
        found.end(1, 2, 3, 4)
        assert (now(found) is None) == whole


def test_after_the_last_round_none_is_awaited():
    found = Round(plan=training_plan(TERMS, rounds=1))
    found.open()
    assert awaited_after(found.view, found.state) is None
    counting = statistic()
    counting.open()
    assert awaited_after(counting.view, counting.state) is None
    assert awaited_in(RoundView(counting.session), counting.state) is None
