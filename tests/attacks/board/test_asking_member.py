"""One member asks for statistics as often and as large as it can, also to fill everybody's disk."""

from decimal import Decimal

import pytest

from participant.errors import UnfitNumbers
from participant.statistic.numbers import Numbers
from protocol.board.budget import LABELS_BYTES_A_DAY, Budget
from protocol.board.fields import MAX_NUMBERS
from protocol.board.messages import Closing, Request, attach
from protocol.board.payload_sizes import labels_bytes, list_bytes, statistic_bytes
from protocol.rounds.statistic import opening_for
from protocol.terms.terms import AGGREGATOR
from protocol.wire.frames import Declined, Submit
from tests.stage.desk import Desk
from tests.stage.toy import replace_terms, toy_federation

FLOODER, HONEST = 3, 1

DAY_MS = 24 * 3_600_000


# ── labels ──

LARGEST = tuple(f"{k:030d}" for k in range(2_000))  # of 62 kB


def test_labels_have_room_for_what_the_reader_of_numbers_takes(desk: Desk) -> None:
    desk.certify()
    assert desk.flood("statistic/a", [Request(2_000, 0, LARGEST)]) == 1
    with pytest.raises(UnfitNumbers, match="64 kB"):
        Numbers("f", (Decimal(1),) * 2_200, tuple(f"{k:030d}" for k in range(2_200)))


def test_more_labels_than_a_request_may_have_are_refused(desk: Desk) -> None:
    desk.certify()
    many = tuple(f"{k:030d}" for k in range(2_200))
    assert not desk.flood("statistic/a", [Request(2_200, 0, many)])


def test_a_statistic_is_asked_for_once_by_each(desk: Desk) -> None:
    desk.certify()
    assert desk.flood("statistic/a", [Request(5), Request(6)]) == 1
    assert desk.flood("statistic/a", [Request(5)], HONEST) == 1


def test_labels_are_bounded_by_the_day(desk: Desk) -> None:
    desk.certify()
    size = labels_bytes(LARGEST)
    asked = sum(desk.flood(f"statistic/a{k}", [Request(2_000, 0, LARGEST)]) for k in range(20))
    assert asked == LABELS_BYTES_A_DAY // size
    assert desk.flood("statistic/mine", [Request(5)]) == 1, "without labels it goes on"
    desk.time_ms += 24 * 3_600_000
    assert desk.flood("statistic/b", [Request(2_000, 0, LARGEST)]) == 1


# ── what statistics make everybody store ──


def test_what_a_member_asks_for_in_a_day_is_bounded_by_what_it_takes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can contribute to all of them itself, and what its posts name is kept for good."""
    desk.certify()
    largest, terms = Request(MAX_NUMBERS), desk.federation.terms
    each = statistic_bytes(MAX_NUMBERS, terms)
    most = 3
    monkeypatch.setattr("protocol.board.budget.STATISTICS_BYTES_A_DAY", most * each + each // 2)
    assert sum(desk.flood(f"statistic/a{k}", [largest]) for k in range(20)) == most
    answer = desk.ask(FLOODER, Submit(desk.sign(FLOODER, "statistic/b", largest)))
    assert isinstance(answer, Declined)
    assert "let another member ask" in answer.reason
    assert desk.flood("statistic/mine", [largest], HONEST) == 1
    assert desk.flood("statistic/small", [Request(100)]) == 1, "smaller ones go on"
    desk.restart()
    assert not desk.flood("statistic/c", [largest])
    desk.time_ms += DAY_MS
    assert sum(desk.flood(f"statistic/d{k}", [largest]) for k in range(20)) == most


def test_a_closed_statistic_counts_for_a_day_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.open_statistic()  # which member 1 asked for
    for member in desk.federation.members:
        desk.contribute(member, session)
    assert desk.wait()
    taken = statistic_bytes(2, desk.federation.terms)
    monkeypatch.setattr("protocol.board.budget.STATISTICS_BYTES_A_DAY", 2 * taken - 1)
    assert not desk.flood("statistic/next", [Request(2)], HONEST)
    assert desk.flood("statistic/next", [Request(2)]) == 1


@pytest.mark.parametrize("bits", [1024, 2048, 3072, 4096])
def test_a_busy_day_of_statistics_is_within_the_budget(bits: int) -> None:
    terms = replace_terms(toy_federation(3, 2).terms, key_bits=bits)
    budget, day = Budget(terms), [100] * 100 + [MAX_NUMBERS] * 7
    for k, length in enumerate(day):
        session, asked = f"statistic/a{k}", Request(length)
        assert not budget.excess(session, 1, asked, k)
        budget.take(session, 1, asked, k)
        opening = opening_for(asked, bytes(32))
        budget.take(session, AGGREGATOR, opening, k)
        budget.take(session, AGGREGATOR, Closing((), attach(b"")), k)


def test_each_statistic_costs_what_its_contribution_may_take() -> None:
    terms = toy_federation(3, 2).terms
    for length in (1, 100, MAX_NUMBERS):
        opening = opening_for(Request(length), bytes(32))
        assert statistic_bytes(length, terms) == list_bytes(opening, terms)
