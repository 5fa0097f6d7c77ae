"""The mean over {1,2,3,4}, then over {1,2,3} under another name: their difference is what 4 added.

Source: our own, after the oldest of all differencing attacks. The aggregator proposes nothing
itself: a member asks for the second statistic, and each of the two alone keeps every rule.
"""

import pytest

from protocol.messages.plan import Plan
from protocol.rounds.history import OpenedSets
from tests.stage.rounds.delayed import DelayedTable
from tests.stage.studies import statistic_plan
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
TERMS = TOY.federation.terms
FOUR, THREE = (1, 2, 3, 4), (1, 2, 3)


def plan(data: str = "patients", length: int = 2) -> Plan:
    return statistic_plan(TERMS, length, data=data)


def twice(second: Plan, near: tuple[str, ...] = ()) -> tuple[DelayedTable, str]:
    """Both statistics, closed and as open as hospitals make them; ``near``: what all say of it."""
    table = DelayedTable(TOY)
    first = table.begin("mean-age", plan())
    table.contribute(first, FOUR)
    table.close_round(first)
    table.settle(first)
    assert table.partials(first) == set(TOY.federation.members)
    session = table.begin("ages", second)
    table.contribute(session, THREE, dict.fromkeys(THREE, near))
    table.close_round(session)
    table.settle(session)
    return table, session


def rule_of(table: DelayedTable, session: str) -> set[tuple[str, int]]:
    return {(r.rule, r.member) for r in table.view_of(session).refusals.values()}


@pytest.mark.parametrize("length", [2, 1, 3])
def test_over_data_of_the_same_name_the_second_is_refused(length: int) -> None:
    table, session = twice(plan(length=length))
    assert rule_of(table, session) == {("differencing", 4)}
    assert not table.partials(session)


def test_over_the_same_numbers_by_another_name_the_second_is_refused() -> None:
    table, session = twice(plan("visits"), ("study/mean-age/1",))
    assert rule_of(table, session) == {("differencing", 4)}
    assert not table.partials(session)


def test_over_other_numbers_by_another_name_it_is_opened() -> None:
    table, session = twice(plan("visits"))
    assert not rule_of(table, session)
    assert table.partials(session)


def test_the_aggregator_closes_over_no_such_set() -> None:
    table, session = twice(plan())
    history = OpenedSets.of(table.board)
    view = table.view_of(session)
    assert not history.closable(view, frozenset(THREE))
    assert history.awaited(view, frozenset(THREE)) == {4}


def test_the_same_hospitals_may_ask_something_else_of_the_same_data() -> None:
    table, _ = twice(plan())
    session = table.begin("variance", plan(length=1))
    table.contribute(session, FOUR)
    table.close_round(session)
    table.settle(session)
    assert table.partials(session) == set(TOY.federation.members)


def test_where_studies_are_not_compared_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OpenedSets, "difference", lambda history, view: None)
    table, session = twice(plan())
    assert len(table.partials(session)) >= TERMS.quorum
