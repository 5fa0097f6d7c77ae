"""The same numbers under another name: named as near, waited for, and never in clear at rest."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from participant.statistic.same_numbers import SameNumbers
from protocol.messages.rounds import Contribution
from tests.participant.statistic.test_task import TERMS, numbers, seat
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import statistic_study
from tests.stage.toy import number_secret

FIRST, SECOND = "study/first/1", "study/second/1"


def two(data: str = "others", **changes: Any) -> RoundTable:
    """Two statistics of four numbers, the second over data of that name; the first is open."""
    table = RoundTable(study=statistic_study(TERMS, 4, "first", data="patients"))
    table.found(statistic_study(TERMS, 4, "second", data=data, decimals=1, **changes))
    table.open(FIRST)
    return table


def contributed(table: RoundTable, *values: Any, end: bool = True) -> None:
    """All contribute to the first; hospital 1 these numbers. It ends, unless told."""
    for i in (1, 2, 3, 4):
        seat(table, i, numbers(*(values if i == 1 else (9 * i, 8 * i, 7 * i, i))), "first")
    table.settle()
    if end:
        ended(table)


def ended(table: RoundTable) -> None:
    """The first is closed, and enough have locked it."""
    table.close(FIRST)
    chosen = table.chosen_in(FIRST)
    from protocol.board.draft import Draft
    from protocol.messages.rounds import SetLock

    table.tasks.clear()
    for i in (1, 2, 3, 4):
        table.publish(i, Draft(FIRST, SetLock(chosen)))


def near(table: RoundTable, *values: Any) -> tuple[str, ...] | None:
    """What hospital 1's contribution of these numbers to the second names; None if it waits."""
    if table.view(SECOND).opening is None:
        table.open(SECOND)
    task = seat(table, 1, numbers(*values), "second")
    draft = task.due()
    if draft is None:
        assert task.waiting(table.board).kind == "other-rounds"
        return None
    assert isinstance(draft.body, Contribution)
    assert not draft.body.near.before
    return draft.body.near.rounds


@pytest.mark.parametrize(
    ("before", "now", "is_near"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), True),
        ((1, 2, 3, 4), ("4.0", 3, "2e0", 9), True),  # in any order, however written
        ((1, 2, 3, 4), (1, 2, 8, 9), False),  # half is not more than half
        ((1, 2, 0, 0), (1, 2, 8, 9), True),  # zeros say nothing: both of two
        ((0, 0, 0, 0), (0, 0, 0, 0), False),
        ((1, 2, 3, 4), ("1.5", "2.5", "3.5", 4), False),
        ((1, 2, 3, 4), (-1, -2, -3, 4), False),
    ],
)
def test_more_than_half_of_the_numbers_make_two_statistics_one(
    before: tuple[Any, ...], now: tuple[Any, ...], is_near: bool
) -> None:
    table = two()
    contributed(table, *before)
    assert near(table, *now) == ((FIRST,) if is_near else ())


def test_data_of_the_same_name_is_compared_without_that() -> None:
    table = two(data="patients")
    contributed(table, 1, 2, 3, 4)
    assert near(table, 1, 2, 3, 4) == ()


@pytest.mark.parametrize("data", ["patients", "others"])
def test_a_contribution_waits_for_the_end_of_the_round_over_the_same(data: str) -> None:
    table = two(data=data)
    contributed(table, 1, 2, 3, 4, end=False)
    assert near(table, 1, 2, 3, 4) is None
    task = table.tasks[1]
    waiting = task.waiting(table.board)
    assert waiting.facts == {"session": SECOND, "rounds": ["first/1"]}
    assert waiting.members == (5,)
    ended(table)
    assert near(table, 1, 2, 3, 4) is not None


def test_other_numbers_over_other_data_wait_for_nobody() -> None:
    table = two()
    contributed(table, 1, 2, 3, 4, end=False)
    assert near(table, 5, 6, 7, 8) == ()


@pytest.mark.parametrize("left", [None, b"", b"x" * 40])
def test_numbers_that_are_lost_or_damaged_count_as_near(left: bytes | None) -> None:
    table = two()
    contributed(table, 1, 2, 3, 4)
    table.disks[1].delete("studies/first/numbers")
    if left is not None:
        table.disks[1].write("studies/first/numbers", left)
    assert near(table, 5, 6, 7, 8) == (FIRST,)


def test_nothing_of_the_numbers_can_be_read_from_the_disk() -> None:
    table = two()
    contributed(table, 41, 2, 3, 4)
    kept = table.disks[1].read("studies/first/numbers")
    assert kept is not None
    assert b"41" not in kept
    study = table.study_of(FIRST)
    own, other = (SameNumbers(number_secret(i), table.disks[1]) for i in (1, 2))
    assert own._opened(kept, study.digest) == own._hashes([Decimal(n) for n in (41, 2, 3, 4)])
    assert own._hashes([Decimal(41)]) != other._hashes([Decimal(41)])
    assert other._opened(kept, study.digest) is None
    assert own._opened(kept, bytes(32)) is None
    assert "41" not in repr(own)
    own.keep(study, [Decimal(n) for n in (41, 2, 3, 4)])
    assert table.disks[1].read("studies/first/numbers") != kept  # nobody sees that it is the same


def test_numbers_are_known_again_with_another_key_share() -> None:
    """After a refresh a hospital has one with another seed, and none of the older ones."""
    table = two()
    contributed(table, 1, 2, 3, 4)
    (held,) = table.held[1]
    table.held[1][:] = [held._replace(secret=replace(held.secret, sealing_seed=bytes(32)))]
    table.ring(1).renew()
    assert near(table, 5, 6, 7, 8) == ()
    assert near(table, 1, 2, 3, 9) == (FIRST,)
