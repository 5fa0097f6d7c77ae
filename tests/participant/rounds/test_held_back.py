"""Two statistics of the same data: who helps with the second is told for whom it is held back."""

import time
from decimal import Decimal

import pytest

from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_event, waiting_line
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.waiting import Waiting
from protocol.messages.session import round_session
from protocol.terms.terms import Floors
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import SECONDS, statistic_study
from tests.stage.toy import number_secret, toy_epoch

EVERYONE, LATE = (1, 2, 3, 4, 5), 5
FIRST, SECOND = (round_session(name, 1) for name in ("first", "second"))


def contribute(table: RoundTable, *members: int) -> None:
    for i in members:
        numbers = Numbers("n", (Decimal(10 * i),))
        task = StatisticTask(
            table.terms, table.study, table.ring(i), numbers, table.disks[i], number_secret(i)
        )
        table.seat(i, task)
    table.settle()
    for i in members:
        del table.tasks[i]


def decrypt(table: RoundTable, *members: int) -> dict[int, DecryptionTask]:
    """Members agree to whatever is to be opened."""
    found = {}
    for i in members:
        place = table.terms, table.study, None, table.ring(i), table.disks[i]
        found[i] = DecryptionTask(*place, lambda question: True)
        table.seat(i, found[i])
    table.settle()
    return found


@pytest.fixture
def table() -> RoundTable:
    """The first sum is of all; to the second one hospital has not contributed."""
    toy = toy_epoch(5, 3).under(floors=Floors(3, 3, 1, "refuse"))
    terms = toy.federation.terms
    first = RoundTable(toy, statistic_study(terms, 1, "first"))
    first.open(FIRST)
    contribute(first, *EVERYONE)
    first.close(FIRST)
    decrypt(first, *EVERYONE)
    second = RoundTable(study=statistic_study(terms, 1, "second"), at=first)
    first.tables.remove(first)
    second.open(SECOND)
    contribute(second, *(i for i in EVERYONE if i != LATE))
    return second


def later(table: RoundTable, found: dict[int, DecryptionTask]) -> None:
    """The others' time is over."""
    for task in found.values():
        assert task._hold
        task._hold._clock = lambda: time.monotonic() + SECONDS + 1
    table.settle()


def waits(table: RoundTable, task: DecryptionTask) -> Waiting:
    return task.waiting(table.board)


def test_it_names_whom_it_waits_for_and_what_they_type(table: RoundTable) -> None:
    found = decrypt(table, 1, 2)
    assert waits(table, found[1]).kind == "contributions", "they have their time first"
    later(table, found)
    waiting = waits(table, found[1])
    assert waiting[:2] == ("held-back", (LATE,))
    context = Context(terms=table.terms, is_statistic=lambda study: True)
    line = waiting_line(waiting, 30, 1, context)
    assert line.startswith("Waiting for H5 for 30 s: second/1, which is held back.")
    assert "first/1" in line
    assert "as soon as H5 contributes" in line
    assert line.endswith(
        "H5 types: quorate-participant contribute NUMBERS.csv --federation federation.toml "
        "--study second"
    )
    event = waiting_event(waiting, 30, 1, context)
    assert (event["kind"], event["for"]) == ("held-back", ["H5"])


def test_it_goes_on_as_soon_as_that_hospital_contributes(table: RoundTable) -> None:
    found = decrypt(table, 1, 2, 3, 4)
    later(table, found)
    contribute(table, LATE)
    assert waits(table, found[1]).kind == "sum"
    table.close(SECOND)
    assert waits(table, found[1]).kind != "held-back"
    table.settle()
    assert found[1].sums == [Decimal(150)]


def test_the_hospital_that_is_missing_is_told_what_to_type(table: RoundTable) -> None:
    found = decrypt(table, LATE)
    later(table, found)
    waiting = waits(table, found[LATE])
    assert waiting[:2] == ("held-back", (LATE,))
    context = Context(terms=table.terms, is_statistic=lambda study: True)
    line = waiting_line(waiting, 30, LATE, context)
    assert line.startswith("Waiting for this hospital for 30 s: second/1, which is held back.")
    assert "Type: quorate-participant contribute NUMBERS.csv" in line
