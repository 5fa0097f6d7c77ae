"""A study's name used again, with another plan: what hospitals approved is not what is opened.

Source: our own. The name is what people type. Approvals, openings and votes are of a plan's digest,
and the first plan that counts under a name is the only one, for ever.
"""

import pytest

from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.study import Study
from protocol.messages.plan import Approval, Ending
from protocol.rounds import set_rules
from tests.stage.rounds.delayed import DelayedTable
from tests.stage.studies import proposal, statistic_plan, training_plan
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
TERMS = TOY.federation.terms
FIVE = tuple(TOY.federation.members)


def harmless() -> Study:
    return Study(TERMS, "age", statistic_plan(TERMS, least_contributors=5, purpose="Counts."))


def other() -> Study:
    return Study(TERMS, "age", statistic_plan(TERMS, least_contributors=3, purpose="All of it."))


def test_the_first_plan_under_a_name_is_the_only_one() -> None:
    table = DelayedTable(TOY)
    table.found(harmless())
    posted = table.say(2, proposal(other()))
    assert isinstance(posted.post.body, Surplus)
    assert table.board.studies["age"].study.plan == harmless().plan


def test_a_name_is_not_free_again_after_the_end() -> None:
    table = DelayedTable(TOY)
    table.found(harmless())
    for i in FIVE:
        table.say(i, Draft("study/age", Ending(harmless().digest)))
    assert table.board.studies["age"].is_ended()
    assert isinstance(table.say(2, proposal(other())).post.body, Surplus)
    word = Approval(harmless().digest, True, True)
    assert isinstance(table.say(2, Draft("study/age", word)).post.body, Surplus)


def test_approvals_of_another_plan_approve_nothing() -> None:
    table = DelayedTable(TOY)
    table.say(1, proposal(harmless()))
    for i in FIVE:
        posted = table.say(i, Draft("study/age", Approval(other().digest, True, True)))
        assert isinstance(posted.post.body, Surplus)
    assert not table.board.studies["age"].contributors()
    assert not table.board.studies["age"].is_open()


def test_the_same_plan_of_another_federation_or_name_has_another_digest() -> None:
    assert harmless().digest != Study(TERMS, "ages", harmless().plan).digest
    fewer = toy_epoch(4, 3).federation.terms
    assert harmless().digest != Study(fewer, "age", harmless().plan).digest


def opened_for_another_plan() -> tuple[DelayedTable, str]:
    table = DelayedTable(TOY)
    session = table.begin("age", harmless().plan, plan=other().digest)
    table.contribute(session, FIVE)
    table.close_round(session)
    table.settle(session)
    return table, session


def test_a_round_that_is_opened_for_another_plan_is_refused() -> None:
    table, session = opened_for_another_plan()
    assert {r.rule for r in table.view_of(session).refusals.values()} == {"plan"}
    assert not table.partials(session)


def test_where_the_plan_is_not_looked_at_it_would_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(set_rules._Set, "_check_plan", lambda self, opened, closed: None)
    table, session = opened_for_another_plan()
    assert len(table.partials(session)) >= TERMS.quorum


def test_a_round_that_is_opened_before_enough_approved_is_refused() -> None:
    table = DelayedTable(TOY)
    study = Study(TERMS, "cardio", training_plan(TERMS))
    table.found(study, approving=(1, 2))
    table.open_round("study/cardio/1", length=4)
    for i in (3, 4, 5):
        table.say(i, Draft("study/cardio", Approval(study.digest, True, True)))
    table.contribute("study/cardio/1", FIVE)
    table.close_round("study/cardio/1", (1, 2))
    table.settle("study/cardio/1")
    assert {r.rule for r in table.view_of("study/cardio/1").refusals.values()} == {"approved"}
