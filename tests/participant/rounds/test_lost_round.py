"""What becomes of statistics, and of those who only help, where the key was refreshed meanwhile."""

from decimal import Decimal

import pytest

from participant.errors import LostRound
from participant.rounds.task import DecryptionTask
from participant.service.due_studies import _helps
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.study.listing import standing_of
from protocol.errors import Refused
from protocol.messages.rounds import Partial, Refusal, SetLock
from tests.stage.handover.refreshed import FIVE, TOY, Refreshed
from tests.stage.studies import STATISTIC, statistic_study, training_study
from tests.stage.toy import number_secret

SESSION = f"study/{STATISTIC}/1"


def contribute(table: Refreshed, *members: int) -> None:
    for i in members:
        numbers = Numbers("numbers.csv", (Decimal(i), Decimal(10 * i)))
        place = table.terms, STATISTIC, table.ring(i), numbers, table.disks[i]
        table.seat(i, StatisticTask(*place, number_secret(i)))


def decrypt(table: Refreshed, *members: int) -> None:
    for i in members:
        place = table.terms, table.study, 1, table.ring(i), table.disks[i]
        table.seat(i, DecryptionTask(*place, lambda question: True))


def opened() -> Refreshed:
    """A statistic to which all but hospital 5 have contributed."""
    table = Refreshed(statistic_study(TOY.federation.terms))
    contribute(table, 1, 2, 3, 4)
    table.open(SESSION)
    table.settle()
    return table


def closed() -> Refreshed:
    """The same, once it is closed, and four have locked its sum."""
    table = opened()
    table.close(SESSION)
    decrypt(table, *FIVE)
    table.say_now(SetLock, 1, 2, 3, 4)
    return table


def phase(table: Refreshed) -> str:
    state = table.board.studies[table.study]
    return standing_of(table.board, state, 1).phase


def test_nothing_is_contributed_to_a_statistic_that_is_lost() -> None:
    table = opened()
    table.refresh()
    table.tasks.clear()
    contribute(table, 5)
    with pytest.raises(LostRound) as caught:
        table.due(5)
    assert (caught.value.study, caught.value.round_name) == (STATISTIC, f"{STATISTIC}/1")


@pytest.mark.parametrize("keeps_old", [True, False])
def test_who_waits_for_a_sum_that_is_lost_is_told(keeps_old: bool) -> None:
    table = closed()
    table.say_now(Partial, 1, 2)
    table.refresh(keeps_old)
    for i in FIVE:
        with pytest.raises(LostRound):
            table.due(i)
    assert not table.said_by(SESSION, Refusal)
    assert phase(table) == "open", "until it is ended by votes"


def test_a_sum_that_was_opened_by_then_is_read_later() -> None:
    table = closed()
    table.say_now(Partial, 1, 2, 3)
    table.refresh()
    table.settle()
    tasks = [table.tasks[i] for i in FIVE]
    assert all(task.done for task in tasks)
    assert [task.sums for task in tasks if isinstance(task, DecryptionTask)] == 5 * [[10, 100]]
    assert phase(table) == "over"


def test_a_sum_that_others_have_opened_is_not_waited_for_without_the_old_share() -> None:
    table = closed()
    table.tasks.pop(5)
    table.say_now(Partial, 1, 2, 3)
    table.refresh(keeps_old=False)
    decrypt(table, 5)
    with pytest.raises(Refused, match="a key of which this hospital has no share"):
        table.due(5)


def test_who_only_helps_is_done_with_a_sum_that_was_opened_by_then() -> None:
    study = statistic_study(TOY.federation.terms, members=(1, 2, 3, 4))
    table = Refreshed(study)
    contribute(table, 1, 2, 3, 4)
    table.open(SESSION)
    table.settle()
    table.close(SESSION)
    decrypt(table, *FIVE)
    table.say_now(SetLock, *FIVE)
    table.say_now(Partial, 1, 2, 3)
    table.refresh()
    assert table.tasks[5].done


def helps(table: Refreshed, session: str) -> bool:
    state = table.state_of(session)
    return _helps(table.view(session), state, table.board, 3)


def test_no_agent_begins_to_help_with_a_sum_that_is_lost() -> None:
    table = closed()
    assert helps(table, SESSION)
    table.refresh()
    assert not helps(table, SESSION)


def test_a_training_is_over_whose_last_round_is_lost() -> None:
    table = Refreshed(training_study(TOY.federation.terms, rounds=1))
    table.come(*FIVE)
    table.until(SetLock)
    assert phase(table) == "open"
    table.refresh()
    assert phase(table) == "over"
    table.settle()
    assert all(task.done for task in table.tasks.values())
