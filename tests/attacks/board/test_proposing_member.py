"""One member proposes studies as often and as large as it can, also to fill everybody's disk."""

from decimal import Decimal

import pytest

from participant.errors import UnfitNumbers
from participant.statistic.numbers import Numbers
from protocol.board.payload_sizes import labels_bytes, list_bytes, statistic_bytes
from protocol.board.study_budget import LABELS_BYTES_A_DAY
from protocol.messages.attachment import attach
from protocol.messages.fields import MAX_NUMBERS
from protocol.messages.plan import Plan
from protocol.messages.rounds import Contribution
from protocol.rounds.statistic import opening_for
from protocol.wire.frames import Declined, Submit
from tests.stage.desk import Desk
from tests.stage.studies import statistic_study
from tests.stage.toy import toy_federation

PROPOSER, HONEST = 3, 1
DAY_MS = 24 * 3_600_000
LABELS = tuple(f"{k:030d}" for k in range(2_200))
LARGEST = LABELS[:2_000]  # of 62 kB


def plan(desk: Desk, labels: tuple[str, ...] = LARGEST) -> Plan:
    return desk.statistic(length=len(labels) or 5, labels=labels).plan


def test_labels_have_room_for_what_the_reader_of_numbers_takes(desk: Desk) -> None:
    assert desk.flood("study/a", [plan(desk)]) == 1
    with pytest.raises(UnfitNumbers, match="64 kB"):
        Numbers("f", (Decimal(1),) * len(LABELS), LABELS)


def test_more_labels_than_a_plan_may_have_are_refused(desk: Desk) -> None:
    assert not desk.flood("study/a", [plan(desk, LABELS)])


def test_labels_are_bounded_by_the_day_also_after_a_restart(desk: Desk) -> None:
    most = LABELS_BYTES_A_DAY // labels_bytes(LARGEST)
    assert sum(desk.flood(f"study/a{k}", [plan(desk)]) for k in range(20)) == most
    desk.restart()
    answer = desk.ask(PROPOSER, Submit(desk.sign(PROPOSER, "study/b", plan(desk))))
    assert isinstance(answer, Declined)
    assert "try again later" in answer.reason
    assert desk.flood("study/plain", [plan(desk, ())]) == 1, "without labels it goes on"
    assert desk.flood("study/theirs", [plan(desk)], HONEST) == 1
    desk.time_ms += DAY_MS
    assert desk.flood("study/b", [plan(desk)]) == 1


def test_what_one_member_proposes_takes_nothing_of_anybody_who_does_not_approve_it(
    desk: Desk,
) -> None:
    """It can neither open a round of it alone, nor contribute where none is open."""
    desk.certify()
    study = desk.found(desk.statistic(length=MAX_NUMBERS), PROPOSER)
    assert not desk.service.tick()
    contribution = Contribution(bytes(32), attach(b"x"))
    assert not desk.flood(study.round(1), [contribution], PROPOSER)


def test_each_statistic_costs_what_its_contribution_may_take() -> None:
    terms = toy_federation(3, 2).terms
    for length in (1, 100, MAX_NUMBERS):
        study = statistic_study(terms, length)
        opening = opening_for(study, bytes(32))
        assert statistic_bytes(length, terms) == list_bytes(opening, study)
