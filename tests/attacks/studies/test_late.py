"""Where a hospital says that a contribution is near, nobody may hear it: it came too late, or
there are more rounds than a contribution can name.

Source: our own. An aggregator closes a round while contributions are on their way. They stand on
the board behind the closing, in no sum, and what they name is not heard. A hospital that took it
for heard left it out of what it said the next time. And of what is near to more rounds than can be
named, the oldest were left out: whoever asks for one number after the other, and then for all of
them once more, has the first one over one hospital more.
"""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.study.earlier import has_contributed
from protocol.board.draft import Draft
from protocol.errors import Refused
from protocol.messages.fields import MAX_NEAR
from protocol.messages.plan import Ending
from protocol.messages.rounds import Contribution, Near
from protocol.rounds import history
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import statistic_study
from tests.stage.toy import number_secret

FIVE = (1, 2, 3, 4, 5)


def statistic(at: RoundTable | None, name: str, length: int = 1) -> RoundTable:
    """Over data of its own name; its round is open."""
    terms = (at or RoundTable()).terms
    table = RoundTable(study=statistic_study(terms, length, name, data=name), at=at)
    table.open(table.session(1))
    return table


def drafts_of(table: RoundTable, members: Sequence[int], values: Sequence[int]) -> dict[int, Draft]:
    """What these contribute, each its own numbers; on no board yet."""
    found = {}
    for i in members:
        numbers = Numbers("numbers.csv", tuple(Decimal(1_000 * i + value) for value in values))
        place = table.terms, table.study, table.ring(i), numbers, table.disks[i]
        table.seat(i, StatisticTask(*place, number_secret(i)))
        draft = table.due(i)
        assert draft is not None
        found[i] = draft
    table.tasks.clear()
    return found


def near_of(draft: Draft) -> tuple[str, ...]:
    assert isinstance(draft.body, Contribution)
    return draft.body.near.rounds


def close(table: RoundTable, drafts: dict[int, Draft], late: Sequence[int] = ()) -> None:
    """Over all but those who are late; everybody helps with what it may."""
    for i in drafts.keys() - {*late}:
        table.publish(i, drafts[i])
    table.close(table.session(1))
    for i in late:
        table.publish(i, drafts[i])
    for i in FIVE:
        place = table.terms, table.study, 1, table.ring(i), table.disks[i]
        table.seat(i, DecryptionTask(*place, lambda question: True))
    while table.tasks:
        try:
            table.settle()
            break
        except Refused:
            for i in table.view(table.session(1)).refusals.keys() & table.tasks.keys():
                del table.tasks[i]
    table.tasks.clear()


def is_open(table: RoundTable) -> bool:
    return len(table.view(table.session(1)).partials) >= table.terms.quorum


def rules(table: RoundTable) -> set[tuple[str, int]]:
    found = table.view(table.session(1)).refusals.values()
    return {(refusal.rule, refusal.member) for refusal in found}


def over_four() -> RoundTable:
    first = statistic(None, "first")
    close(first, drafts_of(first, (1, 2, 3, 4), [0]))
    assert is_open(first)
    return first


def test_what_a_late_contribution_names_is_named_again() -> None:
    first = over_four()
    second = statistic(first, "second")
    drafts = drafts_of(second, FIVE, [0])
    assert near_of(drafts[1]) == ("study/first/1",)
    close(second, drafts, late=(1, 2))
    assert second.view("study/second/1").late.keys() == {1, 2}
    third = statistic(first, "third")
    drafts = drafts_of(third, (1, 2, 3), [0])
    named = {i: near_of(draft) for i, draft in drafts.items()}
    assert named == {1: ("study/first/1",), 2: ("study/first/1",), 3: ("study/second/1",)}
    close(third, drafts)
    assert rules(third) == {("differencing", 4)}
    assert not is_open(third)


def test_a_late_contribution_is_none() -> None:
    table = statistic(None, "first")
    close(table, drafts_of(table, FIVE, [0]), late=(1,))
    study = table.study_of(table.session(1))
    found = history.OpenedSets.of(table.board)
    assert [has_contributed(found, i, study) for i in (1, 2)] == [False, True]


def all_again() -> RoundTable:
    """One number over four hospitals, others of three, and all of them of these three."""
    first = over_four()
    for k in range(1, MAX_NEAR + 1):
        table = statistic(first, f"s{k}")
        for i, draft in drafts_of(table, (1, 2, 3), [k]).items():
            assert not near_of(draft)
            first.publish(i, draft)
        digest = table.study_of(table.session(1)).digest
        for i in FIVE:
            first.say(i, Draft(f"study/s{k}", Ending(digest)))
        table.tables.remove(table)
    last = statistic(first, "all", MAX_NEAR + 1)
    drafts = drafts_of(last, (1, 2, 3), range(MAX_NEAR + 1))
    for draft in drafts.values():
        assert len(near_of(draft)) == MAX_NEAR
        assert "study/first/1" not in near_of(draft)
    close(last, drafts)
    return last


def test_what_is_near_to_more_rounds_than_can_be_named_is_near_to_all() -> None:
    table = all_again()
    assert rules(table) == {("differencing", 4)}
    assert not is_open(table)


def test_where_it_is_near_to_those_named_alone_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Near, "is_full", False)
    assert is_open(all_again())


def test_it_waits_for_all_of_them() -> None:
    first = over_four()
    waiting = statistic(first, "other")
    for i, draft in drafts_of(waiting, (1, 2, 3), [1]).items():
        waiting.publish(i, draft)
    last = statistic(first, "last")
    found = history.OpenedSets.of(first.board)
    view = last.view(last.session(1))
    full = ("study/first/1",) * MAX_NEAR
    assert found.unended(view, 1, Near(full)) == ("study/other/1",)
    assert not found.unended(view, 1, Near(full[:-1]))
