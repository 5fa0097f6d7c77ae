"""A partial decryption waits a little for contributors' locks, and no longer."""

import pytest

from participant.rounds import patience
from participant.rounds.patience import Patience
from protocol.messages.rounds import Refusal, SetLock
from tests.stage.rounds.round_table import SESSION, HybridTable
from tests.stage.rounds.toy_round import HybridRound, Round, contributed
from tests.stage.rounds.wrong_part import unreadable

SECONDS = 10.0


class Waits:
    """The patience of member 1, whose clock is turned by hand."""

    def __init__(self, found: Round) -> None:
        self.now = 100.0
        self.patience = Patience(found.members[1], lambda: self.now)

    def __bool__(self) -> bool:
        return self.patience.waits


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> HybridRound:
    found = HybridRound()
    found.open()
    for i in (1, 2, 4):
        found.give(i)
    found.close()
    monkeypatch.setattr(patience, "_BYTES_A_SECOND", len(found.made[1].chunks[0]) / SECONDS)
    return found


def lock(found: HybridRound, *senders: int) -> None:
    chosen = found.chosen
    for sender in senders:
        found.publish(sender, SetLock(chosen, bytes(16)))


def test_it_lasts_as_long_as_reading_a_vector_would_take(closed: HybridRound) -> None:
    lock(closed, 1, 3, 5)
    waits = Waits(closed)
    assert waits
    waits.now += SECONDS - 0.1
    assert waits
    waits.now += 0.2
    assert not waits


def test_it_ends_with_the_last_contributors_lock(closed: HybridRound) -> None:
    lock(closed, 1, 3)
    waits = Waits(closed)
    assert waits
    lock(closed, 2)
    assert waits
    lock(closed, 4)
    assert not waits


def test_who_refuses_or_locks_without_a_checksum_is_not_waited_for(closed: HybridRound) -> None:
    lock(closed, 1)
    waits = Waits(closed)
    assert waits
    chosen = closed.chosen
    closed.publish(2, SetLock(chosen))
    closed.publish(4, Refusal("one-set", 0, "why"))
    assert not waits


def test_it_ends_when_a_quorum_has_spoken(closed: HybridRound) -> None:
    lock(closed, 1, 3, 5)
    waits = Waits(closed)
    for sender in (3, 5):
        closed.publish(sender, unreadable(bytes(32)))
    assert waits
    closed.publish(1, unreadable(bytes(32)))
    assert not waits


def test_in_training_partial_decryptions_are_held_back_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = HybridTable()
    table.contributed()
    del table.tasks[4]
    table.close()
    monkeypatch.setattr(patience, "_BYTES_A_SECOND", 1.0)
    table.settle()
    assert len(table.view(SESSION).locks) == 4
    assert not table.view(SESSION).partials
    table.join(4)
    table.settle()
    assert {table.task(i).finished for i in table.tasks} == {1}
    assert not any(name in table.names(4) for i, name in table.read if i != 4)


def test_what_is_read_in_no_time_is_not_waited_for(
    closed: HybridRound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert not Waits(closed)


def test_packed_rounds_wait_for_nobody() -> None:
    found = contributed()
    found.close()
    assert not Waits(found)
