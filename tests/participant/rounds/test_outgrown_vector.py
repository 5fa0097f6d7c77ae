"""A hybrid round in which an update does not fit: its vector is blinded, and its sum shows none."""

import numpy as np
import pytest

from keyshare.rounds.tally import Tally
from participant.rounds.sum_check import SumCheck
from protocol.board.suite import suite_of
from protocol.rounds.vector_checks import SumVerdict
from tests.stage.rounds.round_table import HybridTable

EVERYBODY, LARGE = range(1, 6), 3


@pytest.fixture
def table(short_chunks: None) -> HybridTable:
    """After a round in which all fitted, and whose bounds the next one has."""
    found = HybridTable()
    found.contributed()
    found.close()
    found.settle()
    return found


def events(table: HybridTable, member: int, number: int) -> set[str]:
    return {event for at, event, _ in table.events[member] if at == number}


def test_an_outgrown_vector_leaves_the_model_and_the_next_one_has_room(table: HybridTable) -> None:
    app = table.task(LARGE)._known._app
    app.step = 1.0
    before = table.weights(1)
    table.contributed("study/cardio/2")
    table.close("study/cardio/2")
    table.settle()
    for i in EVERYBODY:
        assert ("blinded" in events(table, i, 2)) == (i == LARGE)
        assert "outgrown" in events(table, i, 2)
        assert not events(table, i, 2) & {"void", "rounding", "false-checksum"}
        assert np.array_equal(table.weights(i, 2), before)
    table.contributed("study/cardio/3")
    table.close("study/cardio/3")
    table.settle()
    for i in EVERYBODY:
        assert not events(table, i, 3) & {"void", "outgrown", "blinded"}
        np.testing.assert_allclose(table.weights(i, 3) - before, (0.12 + 1.0) / 5, atol=0.01)


def test_who_restarts_while_an_outgrown_vector_is_read_comes_to_the_same(
    table: HybridTable,
) -> None:
    app = table.task(LARGE)._known._app
    app.step = 1.0
    table.contributed("study/cardio/2")
    table.close("study/cardio/2")
    table.join(1)
    table.settle()
    stated = set(table.view("study/cardio/2").statements.values())
    assert len(stated) == 1
    assert "outgrown" in events(table, 1, 2)


def made_to_look_outgrown(table: HybridTable) -> None:
    """The aggregator moves a 1 of the tally to the class of the largest changes; errors stay."""
    table.contributed("study/cardio/2")
    opening = table.view("study/cardio/2").terms_of_opening
    assert opening is not None
    slots = suite_of("hybrid", table.study_of()).slots(opening)
    table.close("study/cardio/2", shift=moved(slots.tally, slots.counted, table))
    table.settle()


def test_an_aggregator_that_makes_a_round_look_outgrown_is_named(table: HybridTable) -> None:
    made_to_look_outgrown(table)
    for i in EVERYBODY:
        assert "outgrown" not in events(table, i, 2)
        (void,) = [f for at, event, f in table.events[i] if (at, event) == (2, "void")]
        assert void["by"] == "aggregator"


def test_without_the_check_it_would_look_outgrown(
    table: HybridTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack itself: if this fails, the test above may pass for another reason."""

    def believe(check: SumCheck) -> None:
        check.verdict = SumVerdict(is_sum=True, liars=())

    monkeypatch.setattr(SumCheck, "compare", believe)
    made_to_look_outgrown(table)
    assert all("outgrown" in events(table, i, 2) for i in EVERYBODY)


def moved(tally: Tally, counted: int, table: HybridTable) -> dict[tuple[int, int], int]:
    """By words: what makes one hospital's mark one of class 0. A word is sent without d bits."""
    lattice_, added = table.lattice, np.zeros(2 * tally.slots, dtype=np.int64)
    steps = [i / 100 for i in EVERYBODY]
    change = tally.values(tally.marks(8.0, 10)) - tally.values(tally.marks(steps[-1], 10))
    added[counted : counted + len(change)] = change
    k, delta = lattice_.weights_per_coefficient, lattice_.delta
    words = {}
    for place in range(len(added) // k):
        message = sum(int(added[k * place + j]) * lattice_.radix**j for j in range(k))
        if message:
            words[0, place] = round(message * delta / 2**lattice_.ring.dropped_bits) % 2**64
    return words
