"""A hospital locks, and then withdraws, votes to end the study, or refuses; or it is added anyway.

Source: our own. A set is locked by as few as may be, with a liar among them: if the liar could take
its lock back, the others would have locked for nothing, and could lock no other set of the round.
And what a hospital contributed before it withdrew must not be opened after.
"""

from collections.abc import Callable

import pytest

from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.messages.plan import Approval, Ending, Withdrawal
from protocol.messages.rounds import SetLock
from protocol.rounds import set_rules
from tests.stage.rounds.delayed import DelayedTable
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
TERMS = TOY.federation.terms
FIVE = tuple(TOY.federation.members)


def begun(members: tuple[int, ...] = (1, 2, 3, 4)) -> tuple[DelayedTable, str]:
    table = DelayedTable(TOY)
    session = table.begin("cardio")
    table.contribute(session, members)
    return table, session


def withdraw(table: DelayedTable, session: str, *members: int) -> None:
    study = table.study_of(session)
    for i in members:
        table.say(i, Draft(study.session, Withdrawal(study.digest)))


def end(table: DelayedTable, session: str, *members: int) -> None:
    study = table.study_of(session)
    for i in members:
        table.say(i, Draft(study.session, Ending(study.digest)))


def rules_of(table: DelayedTable, session: str) -> set[tuple[str, int]]:
    return {(r.rule, r.member) for r in table.view_of(session).refusals.values()}


def locked(table: DelayedTable, session: str, *members: int) -> None:
    table.close_round(session)
    table.read()
    table.put_all(table.collect(session, *members))


@pytest.mark.parametrize("leave", [withdraw, end])
def test_who_has_locked_releases_though_it_withdrew_or_the_study_ended(
    leave: Callable[..., None],
) -> None:
    table, session = begun()
    locked(table, session, 1, 2, 3, 4)
    leave(table, session, 1, 2, 3, 4)
    table.settle(session, 1, 2, 3, 4)
    assert table.partials(session) == {1, 2, 3, 4}


def test_locks_that_are_too_few_when_the_study_ends_open_nothing_any_more() -> None:
    table, session = begun()
    locked(table, session, 1, 2, 3)
    end(table, session, 1, 2, 3, 4)
    chosen = table.chosen_in(session)
    posted = table.say(4, Draft(session, SetLock(chosen)))
    assert isinstance(posted.post.body, Surplus)
    table.settle(session)
    assert not table.partials(session)


def test_who_withdrew_before_it_locked_does_not_lock_and_its_lock_does_not_count() -> None:
    table, session = begun()
    withdraw(table, session, 5)
    locked(table, session, *FIVE)
    assert set(table.view_of(session).locks) == {1, 2, 3, 4}
    posted = table.say(5, Draft(session, SetLock(table.chosen_in(session))))
    assert isinstance(posted.post.body, Surplus)


def test_a_closing_with_one_that_had_withdrawn_is_refused() -> None:
    table, session = begun()
    withdraw(table, session, 4)
    locked(table, session, *FIVE)
    table.read()
    assert rules_of(table, session) == {("withdrawn", 4)}
    assert not table.view_of(session).locks


def test_where_that_is_not_looked_at_what_it_contributed_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The study goes on without it: the sum could have been closed over the other three."""
    table, session = begun()
    withdraw(table, session, 4)
    monkeypatch.setattr(
        set_rules._Set, "_contributors", lambda self, closed: self.view.contributors
    )
    table.close_round(session)
    table.settle(session, 1, 2, 3, 5)
    assert len(table.partials(session)) >= TERMS.quorum
    assert not table.state_of(session).contributes(4)


def test_who_withdraws_after_the_closing_is_in_the_sum() -> None:
    table, session = begun()
    table.close_round(session)
    withdraw(table, session, 4)
    table.settle(session)
    assert table.partials(session) >= {1, 2, 3}


def test_a_closing_after_the_end_is_refused() -> None:
    table, session = begun()
    end(table, session, 1, 2, 3, 5)
    locked(table, session, *FIVE)
    assert not table.view_of(session).locks
    assert not table.partials(session)


def test_who_comes_back_after_the_opening_adds_nothing_to_that_round() -> None:
    table = DelayedTable(TOY)
    session = table.begin("cardio")
    withdraw(table, session, 5)
    study = table.study_of(session)
    table.say(5, Draft(study.session, Approval(study.digest, True, True)))
    table.contribute(session, (5,))
    assert 5 in table.view_of(session).contributions  # it had approved before the opening, too
    late = DelayedTable(TOY)
    late.found(study, approving=(1, 2, 3, 4))
    late.open_round(session, length=4)
    late.say(5, Draft(study.session, Approval(study.digest, True, True)))
    late.contribute(session, FIVE)
    assert set(late.view_of(session).contributions) == {1, 2, 3, 4}
