"""The sums of a board that are compared, over studies and statistics; and what hospitals do."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from protocol.board.draft import Draft
from protocol.messages.attachment import attach
from protocol.messages.plan import Ending, Plan
from protocol.messages.rounds import Contribution, Refusal, SetLock
from protocol.messages.session import round_session
from protocol.rounds.history import OpenedSets
from protocol.rounds.isolation import Difference
from protocol.rounds.view import RoundView
from protocol.terms.terms import Floors
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.rounds import toy_round
from tests.stage.rounds.contribution import near_to, payload_of
from tests.stage.rounds.toy_round import TERMS, TOY, Round, contributed, numbers, training
from tests.stage.studies import statistic_plan
from tests.stage.toy import Table, replace_terms

OTHER = b"o" * 32  # a model
FIVE = tuple(TOY.federation.members)


def play(
    name: str,
    contributors: Sequence[int],
    at: Table | None = None,
    number: int = 1,
    plan: Plan | None = None,
    near: Mapping[int, tuple[str, ...]] | None = None,
    **changes: Any,
) -> Round:
    """A closed round of a study; ``near``: what a member names; ``changes``: to the opening."""
    found = Round(session=round_session(name, number), at=at, plan=plan)
    found.open(**changes)
    for i in contributors:
        contribute(found, i, (near or {}).get(i, ()))
    found.close()
    return found


def contribute(found: Round, member: int, near: tuple[str, ...] = ()) -> None:
    """What the toy contributes; with ``near`` there is no proof, which the history never asks."""
    if found.study.is_training:
        made = training(member, found.session)
    else:
        made = numbers(member, *range(found.study.statistic.length))
    if not near:
        found.contribute(member, made)
        return
    payload = payload_of(made, toy_round.EPOCH)
    body = Contribution(found.opened.digest, attach(payload), (), near_to(*near))
    found.publish(member, body, (payload,))


def lock(found: Round, *members: int) -> Round:
    """These lock the round's set, as everybody may."""
    for i in members:
        found.publish(i, SetLock(found.chosen))
    return found


def history(table: Table) -> OpenedSets:
    return OpenedSets._following(table.board)  # as a process that starts makes it


def shown(found: Round) -> Difference | None:
    return history(found).difference(found.view)


# ── what is compared ──


def test_a_set_counts_that_anybody_has_locked_and_no_other_lock_does():
    first = play("cardio", (1, 2, 3))
    second = play("tumours", (1, 2, 4), first)
    first.publish(5, SetLock(b"x" * 32))
    assert shown(second) is None
    lock(first, 2)
    assert shown(second) == Difference(("cardio/1",), (3, 4))


def test_rounds_before_and_after_count():
    first = play("cardio", (1, 2, 3))
    second = play("tumours", (1, 2, 4), first)
    lock(second, 5)
    assert shown(first) == Difference(("tumours/1",), (3, 4))


def test_rounds_of_one_study_count():
    first = lock(play("cardio", (1, 2, 3)), 1)
    assert shown(play("cardio", (1, 2, 4), first, 2)) == Difference(("cardio/1",), (3, 4))


def test_a_round_from_another_model_does_not_count():
    first = lock(play("cardio", (1, 2, 3), model=OTHER), 1)
    assert shown(play("tumours", (1, 2, 4), first)) is None


@pytest.mark.parametrize("data", ["patients", "visits"])
def test_statistics_are_compared_by_the_name_of_their_data(data):
    first = lock(play("age", (1, 2, 3, 4), plan=statistic_plan(TERMS)), 1)
    second = play("mean", (1, 2, 3), first, plan=statistic_plan(TERMS, 1, data=data))
    expected = Difference(("age/1",), (4,)) if data == "patients" else None
    assert shown(second) == expected


def test_data_are_no_model():
    first = lock(play("age", (1, 2, 3, 4), plan=statistic_plan(TERMS)), 1)
    assert shown(play("cardio", (1, 2, 3), first)) is None


def test_a_round_is_not_compared_with_itself():
    assert shown(lock(play("cardio", (1, 2, 3)), *FIVE)) is None


def test_nothing_is_said_of_a_round_that_is_not_closed():
    found = contributed((1, 2, 3))
    assert shown(found) is None
    assert history(found).difference(RoundView("study/cardio/3")) is None
    assert not history(found).binds(RoundView("study/cardio/3"))


# ── near ──


def near_rounds(*who: int) -> Round:
    """{1,2,3,4} from a model, then {1,2,3} from another, which some say is near to it."""
    first = lock(play("cardio", (1, 2, 3, 4)), 1)
    near = dict.fromkeys(who, ("study/cardio/1",))
    return play("tumours", (1, 2, 3), first, near=near, model=OTHER)


def test_a_dummy_weight_that_changes_a_digest_hides_nothing():
    assert shown(near_rounds()) is None
    assert shown(near_rounds(1, 2, 3)) == Difference(("cardio/1",), (4,))


def test_a_false_near_makes_only_variables_of_its_author_one():
    assert shown(near_rounds(3)) is None
    found = near_rounds(2, 3)  # the difference has 1, twice, and 4
    assert shown(found) == Difference(("cardio/1",), (1, 4))


def test_what_is_near_to_one_is_near_to_all_that_are_near_to_it():
    first = lock(play("cardio", (1, 2, 3, 4)), 1)
    who = (1, 2, 3)
    second = play("b", who, first, near=dict.fromkeys(who, ("study/cardio/1",)), model=OTHER)
    third = play("c", who, second, near=dict.fromkeys(who, ("study/b/1",)), model=b"c" * 32)
    assert shown(third) == Difference(("cardio/1",), (4,))


def test_a_round_that_is_named_and_was_never_opened_changes_nothing():
    first = lock(play("cardio", (1, 2, 3, 4)), 1)
    near = dict.fromkeys((1, 2, 3), ("study/nobody/1", "study/tumours/1", "study/cardio/0"))
    assert shown(play("tumours", (1, 2, 3), first, near=near, model=OTHER)) is None


# ── the same once more ──


def test_that_a_sum_is_open_already_excuses_nothing():
    """A liar has locked 1 to 3. Then the row of 1 to 4 may be that of other numbers."""
    first = play("cardio", (1, 2, 3, 4))
    lock(first, *FIVE[: TERMS.lock_threshold])
    first.settle(FIVE)
    assert first.view.partials
    assert shown(play("once", (1, 2, 3, 4), first)) is None
    second = lock(play("tumours", (1, 2, 3), first), 5)
    assert shown(second) == Difference(("cardio/1",), (4,))
    assert shown(play("again", (1, 2, 3, 4), second)) == Difference(("tumours/1",), (4,))


# ── what waits for what ──


def opened(name: str, at: Table | None = None, **changes: Any) -> Round:
    found = Round(session=round_session(name, 1), at=at)
    found.open(**changes)
    return found


def two() -> tuple[Round, Round]:
    """Two rounds from one model, opened after each other."""
    first = opened("cardio")
    return first, opened("tumours", first)


def test_nobody_contributes_before_the_rounds_that_opened_before_have_ended():
    first, second = two()
    sets = history(first)
    for i in FIVE:
        assert sets.unended(second.view, i) == ("study/cardio/1",)
        assert not sets.unended(first.view, i)  # or both would wait for ever
    for i in (1, 2, 3):
        contribute(first, i)
    first.close()
    lock(first, 1, 2, 3)
    assert TERMS.lock_threshold == 4
    assert sets.unended(second.view, 5)
    lock(first, 4)
    assert not sets.unended(second.view, 5)


def test_a_round_in_which_this_member_has_contributed_is_waited_for_though_it_opened_later():
    first = opened("cardio")
    second = opened("tumours", first, model=OTHER)
    contribute(second, 1)
    sets = history(first)
    near = ("study/tumours/1",)
    assert sets.unended(first.view, 1, near_to(*near)) == near
    assert not sets.unended(first.view, 2, near_to(*near))
    assert not sets.unended(first.view, 1)


def test_rounds_from_other_models_and_over_other_data_are_not_waited_for():
    first = opened("cardio")
    second = opened("tumours", first, model=OTHER)
    assert not history(first).unended(second.view, 1)
    assert history(first).unended(second.view, 1, near_to("study/cardio/1")) == ("study/cardio/1",)


def test_a_study_that_has_ended_is_waited_for_no_more():
    first, second = two()
    sets = history(first)
    for i in FIVE[: TERMS.lock_threshold]:
        assert sets.unended(second.view, 5)
        first.say(i, Draft(first.study.session, Ending(first.study.digest)))
    assert not sets.unended(second.view, 5)


def test_a_round_whose_key_is_handed_over_meanwhile_is_waited_for_no_more():
    first = opened("cardio", copied(TOY))
    contribute(first, 1)
    handed = PostedHandover(first, TOY.secrets, list(FIVE), 3)
    sets, second = history(first), opened("tumours", first)
    handed.run(lambda view: view.attempt.is_dealt)
    assert sets.unended(second.view, 5)  # all of it may be given up, and locks count again
    handed.run()
    assert handed.handover.released_at
    later = opened("melanoma", first)
    assert not sets.unended(later.view, 5)


def test_a_round_is_over_when_so_many_have_refused_that_liars_among_them_change_nothing():
    first, second = two()
    for i in (1, 2, 3):
        contribute(first, i)
    first.close()
    sets = history(first)
    for i in (1, 2):  # three are left, and one of these two may lie and lock
        first.publish(i, Refusal("recomputed-sum", 0, "no"))
        assert sets.unended(second.view, 5)
    first.publish(3, Refusal("recomputed-sum", 0, "no"))
    assert not sets.unended(second.view, 5)


def test_who_has_locked_and_refuses_then_may_still_release():
    first, second = two()
    for i in (1, 2, 3):
        contribute(first, i)
    first.close()
    lock(first, 1, 2, 3)
    for i in (1, 2, 3):
        first.publish(i, Refusal("differencing", 0, "no"))
    assert history(first).unended(second.view, 5)


# ── what hospitals do ──


def after(first: Round, contributors: tuple[int, ...], differencing: str = "refuse") -> Round:
    """Another study from the same model on the same board, closed; its hospitals know both."""
    found = Round(session=round_session("tumours", 1), at=first)
    found.ledgers = first.ledgers
    floors = Floors(3, 3, 1, differencing)  # type: ignore[arg-type]
    for member in found.members.values():
        member.terms = replace_terms(TERMS, floors=floors)
    found.open()
    for i in contributors:
        found.contribute(i, training(i, "next"))
    found.close()
    return found


def settled(contributors: tuple[int, ...] = (1, 2, 3)) -> Round:
    found = toy_round.closed(contributors)
    found.settle()
    return found


def test_hospitals_refuse_a_sum_that_differs_by_too_few():
    found = after(settled(), (1, 2, 3, 4))
    found.settle()
    assert found.refusals == {("differencing", 4)}
    view = found.view
    assert set(view.refusals) == set(FIVE)
    assert not view.locks
    assert all(member.plaintexts is None for member in found.members.values())
    assert all(found.session not in ledger.chosen for ledger in found.ledgers.values())
    reason = view.refusals[1].reason
    assert "cardio/1" in reason
    assert "H4 alone" in reason


@pytest.mark.parametrize("contributors", [(1, 2, 3), (3, 4, 5)])
def test_hospitals_help_with_the_same_set_and_with_one_that_differs_enough(contributors):
    found = after(settled(), contributors)
    found.settle()
    assert not found.refusals
    assert all(member.plaintexts for member in found.members.values())


def test_where_the_terms_warn_hospitals_help():
    found = after(settled(), (1, 2, 3, 4), "warn")
    assert found.members[1].difference == Difference(("cardio/1",), (4,))
    found.settle()
    assert not found.refusals
    assert all(member.plaintexts for member in found.members.values())


def test_what_is_too_much_work_to_decide_is_refused(monkeypatch):
    monkeypatch.setattr("protocol.rounds.span._EXPONENTS", ())
    found = after(settled(), (1, 2, 3, 4))
    found.settle()
    assert found.refusals == {("differencing", 0)}
    assert "too much" in found.view.refusals[1].reason


def test_a_part_is_not_released_when_others_have_locked_a_close_set_meanwhile():
    """Whoever locks first is not heard of at once; who is honest looks again before it releases."""
    first = contributed((1, 2, 3))
    found = Round(session=round_session("tumours", 1), at=first)
    found.open()
    for i in (1, 2, 3, 4):
        found.contribute(i, training(i, "next"))
    found.close()
    found.settle((1,))  # its lock
    first.close()
    lock(first, 2, 3, 4, 5)
    lock(found, 2, 3, 4, 5)
    assert found.members[1].owes_partial
    found.settle((1,))
    assert found.refusals == {("differencing", 4)}
    assert not found.view.partials


def test_no_terms_let_a_difference_show_two_hospitals():
    """Each of the two would read the other; and nobody has checked these terms."""
    terms = replace_terms(TERMS, floors=Floors(3, 2, 1))
    first = play("cardio", (1, 2, 3))
    again = play("tumours", (1, 2, 4), first)
    chosen = first.view.chosen(terms.federation)
    assert chosen is not None
    first.publish(1, SetLock(chosen))
    known = OpenedSets(terms, first.board.studies)
    for posted in first.board.entries:
        known.receive(posted)
    assert known.difference(again.view) == Difference(("cardio/1",), (3, 4))


# ── what may be closed ──


def test_the_largest_set_and_those_who_are_missing_are_told_of_statistics_too():
    plan = statistic_plan(TERMS)
    first = lock(play("age", (1, 2, 3, 4), plan=plan), 1)
    second = Round(session=round_session("mean", 1), at=first, plan=plan)
    second.open()
    sets = history(first)
    for i in (1, 2, 3):
        contribute(second, i)
    given = frozenset(second.view.contributions)
    assert sets.binds(second.view)
    assert sets.compared(second.view) == ("age/1",)
    assert not sets.closable(second.view, given)
    assert sets.awaited(second.view, given) == {4}
    contribute(second, 5)
    with_five = frozenset(second.view.contributions)
    assert sets.closable(second.view, with_five) == {1, 2, 5}  # 3, 4 and 5 come out
    contribute(second, 4)
    everybody = frozenset(second.view.contributions)
    assert sets.closable(second.view, everybody) == {1, 2, 3, 4}


def test_who_may_not_contribute_is_not_waited_for():
    first = lock(play("age", (1, 2, 3, 4), plan=statistic_plan(TERMS)), 1)
    plan = statistic_plan(TERMS, members=(1, 2, 3))
    second = Round(session=round_session("mean", 1), at=first, plan=plan)
    second.open()
    for i in (1, 2, 3):
        contribute(second, i)
    given = frozenset(second.view.contributions)
    assert not history(first).closable(second.view, given)
    assert history(first).awaited(second.view, given) == frozenset()


def test_a_plan_that_asks_for_more_contributors_is_heeded():
    plan = statistic_plan(TERMS, least_contributors=4)
    first = lock(play("age", FIVE, plan=plan), 1)
    second = play("mean", (1, 2, 3, 4), first, plan=plan)
    assert not history(first).closable(second.view, frozenset((1, 2, 3, 4)))
    floor = statistic_plan(TERMS)
    third = lock(play("stay", (1, 2, 3, 4, 5), second, plan=floor), 1)
    assert history(third).closable(third.view, frozenset(FIVE)) == frozenset(FIVE)


# ── answers that are kept ──


def test_an_answer_is_kept_until_the_question_is_another(monkeypatch):
    first = lock(play("cardio", (1, 2, 3)), 1)
    second = play("tumours", (1, 2, 4), first)
    sets, asked = history(first), list[str]()

    def counted(row: object, others: object, least: int) -> None:
        asked.append("again")

    monkeypatch.setattr("protocol.rounds.history.isolated", counted)
    for _ in range(3):
        assert sets.difference(second.view) is None
    assert len(asked) == 1
    lock(first, 2)  # changes nothing that is compared
    sets.difference(second.view)
    assert len(asked) == 1
    lock(play("third", (3, 4, 5), first), 2)
    sets.difference(second.view)
    assert len(asked) == 2


def test_what_an_honest_hospital_reads_again_after_a_restart_says_the_same():
    first = lock(play("cardio", (1, 2, 3)), 1)
    second = play("tumours", (1, 2, 4), first)
    sets = history(first)
    assert sets.difference(second.view) == Difference(("cardio/1",), (3, 4))
    sets = history(first)
    assert sets.difference(second.view) == Difference(("cardio/1",), (3, 4))
