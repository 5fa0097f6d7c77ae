"""A sum over the hospitals of one that is open, of other numbers of the same data.

Source: our own simulator. What is compared is what is said to be the same, by a name or a hospital.
The mean over {1,2,3} of "visits" is open, and the count over {1,2,3,4} of "patients", which is near
to nothing. Then somebody asks for the mean over {1,2,3,4}, and calls its data "patients". 1, 2 and
3 know their numbers again and say so: with the first sum this one shows 4. But by the name of its
data it is the count once more, which is open. That must excuse nothing.
"""

from collections.abc import Sequence

import pytest

from tests.stage.rounds.delayed import DelayedTable, excuse_rows
from tests.stage.studies import statistic_plan
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
TERMS = TOY.federation.terms
FOUR, OTHER = (1, 2, 3, 4), b"o" * 32


def sum_over(
    table: DelayedTable, name: str, members: Sequence[int], start: str, near: Sequence[int] = ()
) -> str:
    """A study's round, as open as hospitals make it; ``near``: who names the first study's round.

    start: what a statistic calls its data, or a model.
    """
    data = start.removeprefix("data ")
    if data == start:
        session = table.begin(name, model=start.encode().ljust(32, b"."))
    else:
        session = table.begin(name, statistic_plan(TERMS, data=data))
    table.contribute(session, members, dict.fromkeys(near, ("study/first/1",)))
    table.close_round(session)
    table.settle(session)
    return session


def third(first: Sequence[int], starts: tuple[str, str]) -> tuple[DelayedTable, str]:
    """The first two sums, which are opened, and what becomes of the third."""
    table = DelayedTable(TOY)
    one, other = starts
    for session in (sum_over(table, "first", first, one), sum_over(table, "second", FOUR, other)):
        assert table.partials(session) == set(TOY.federation.members)
    return table, sum_over(table, "third", FOUR, other, near=[m for m in FOUR if m in first])


CASES = [
    pytest.param((1, 2, 3), {4}, ("data visits", "data patients"), id="numbers of one"),
    pytest.param((1, 2, 5), {3, 4, 5}, ("data visits", "data patients"), id="enough"),
    pytest.param((1, 2, 3, 5), {4, 5}, ("data visits", "data patients"), id="numbers of two"),
    pytest.param((1, 2, 3), {4}, ("a model", "another"), id="updates of one"),
]


@pytest.mark.parametrize(("first", "shown", "starts"), CASES)
def test_the_row_of_an_open_sum_excuses_no_other_numbers(
    first: Sequence[int], shown: set[int], starts: tuple[str, str]
) -> None:
    table, session = third(first, starts)
    view = table.view_of(session)
    if len(shown) < TERMS.least_difference:
        assert {r.rule for r in view.refusals.values()} == {"differencing"}
        assert {r.member for r in view.refusals.values()} <= shown
        assert not view.locks
        assert not view.partials
    else:
        assert table.partials(session) == set(TOY.federation.members)


@pytest.mark.parametrize(("first", "shown", "starts"), CASES)
def test_where_it_excuses_them_the_third_is_opened(
    first: Sequence[int], shown: set[int], starts: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    excuse_rows(monkeypatch)
    table, session = third(first, starts)
    assert table.partials(session) == set(TOY.federation.members)
    assert set(FOUR) ^ set(first) == shown
