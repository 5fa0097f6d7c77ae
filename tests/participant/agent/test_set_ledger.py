"""One set of a round for ever, also for a hospital that was restored and has forgotten which."""

from typing import Any

import pytest

from participant.agent.set_ledger import SetLedger
from participant.rounds.task import DecryptionTask
from protocol.board.draft import Draft
from protocol.board.post import Head
from protocol.errors import Refused
from protocol.messages.rounds import Opening, Refusal, SetLock, Statement
from tests.simulator.disk import Disk
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import STUDY
from tests.stage.toy import Table, toy_federation

FEDERATION = toy_federation(3, 2)
ONE, OTHER = b"a" * 32, b"b" * 32


def opened(table: Table, *sessions: str) -> None:
    for session in sessions:
        table.say(0, Draft(session, Opening(bytes(32), bytes(32), bytes(32), 1)))


def restored(disk: Disk, seen: Head | None = None) -> SetLedger:
    SetLedger(disk).mark_restored(seen)
    return SetLedger(disk)


def test_rounds_opened_before_a_restore_are_refused_by_name_and_later_ones_are_not() -> None:
    table, disk = Table(FEDERATION), Disk()
    opened(table, "study/cardio/1", "study/age/1")
    ledger = restored(disk)
    ledger.begin(table.board)
    opened(table, "study/cardio/2")
    for session, name in (("study/cardio/1", "cardio/1"), ("study/age/1", "age/1")):
        with pytest.raises(Refused) as caught:
            ledger.choose(session, ONE)
        assert (caught.value.rule, caught.value.round_name) == ("one-set", name)
        assert "restored" in caught.value.reason
        assert "entry 2" in caught.value.reason
    assert ledger.choose("study/cardio/2", ONE)
    assert not ledger.choose("study/cardio/2", OTHER)


def test_the_head_first_seen_after_the_restore_stays_the_one_that_counts() -> None:
    table, disk = Table(FEDERATION), Disk()
    opened(table, "study/cardio/1")
    restored(disk).begin(table.board)
    opened(table, "study/cardio/2")
    again = SetLedger(disk)  # another command, later
    again.begin(table.board)
    assert again.bars("study/cardio/1")
    assert not again.bars("study/cardio/2")
    assert again.choose("study/cardio/2", ONE)


def test_the_head_that_was_seen_at_the_restore_counts() -> None:
    table, disk = Table(FEDERATION), Disk()
    opened(table, "study/cardio/1")
    ledger = restored(disk, table.board.head)
    opened(table, "study/cardio/2")
    ledger.begin(table.board)
    assert ledger.bars("study/cardio/1")
    assert not ledger.bars("study/cardio/2")


def test_before_the_board_is_known_everything_is_barred() -> None:
    ledger = restored(Disk(), Head(1, bytes(32)))
    with pytest.raises(Refused):
        ledger.choose("study/cardio/1", ONE)


def test_a_choice_that_is_still_in_the_ledger_holds() -> None:
    table, disk = Table(FEDERATION), Disk()
    opened(table, "study/cardio/1")
    assert SetLedger(disk).choose("study/cardio/1", ONE)
    ledger = restored(disk)
    ledger.begin(table.board)
    assert ledger.choose("study/cardio/1", ONE)
    assert not ledger.choose("study/cardio/1", OTHER)


def test_without_a_restore_nothing_is_barred() -> None:
    table = Table(FEDERATION)
    opened(table, "study/cardio/1")
    ledger = SetLedger(Disk())
    ledger.begin(table.board)
    assert not ledger.bars("study/cardio/1")


# ── what the tasks make of it ──


def closed_round() -> RoundTable:
    """Round 1 of training, closed with everybody's contribution; nobody has locked it yet."""
    table = RoundTable()
    for i in table.disks:
        table.train(i, Steps())
    table.settle()
    table.open("study/cardio/1")
    table.settle()
    for i in table.disks:
        table.tasks[i].due = lambda: None
    table.close("study/cardio/1")
    table.tasks.clear()
    return table


def decrypting(table: RoundTable) -> DecryptionTask:
    """Hospital 2 is asked to help with round 1, and agrees."""
    held, disk = table.ring(2), table.disks[2]
    return DecryptionTask(table.terms, STUDY, 1, held, disk, lambda request: True)


def said_by(table: RoundTable, member: int, kind: type) -> list[Any]:
    bodies = [p.post.body for p in table.board.entries if p.post.sender == member]
    return [body for body in bodies if isinstance(body, kind)]


def test_a_restored_hospital_asked_to_decrypt_an_older_round_refuses_and_says_why() -> None:
    table = closed_round()
    SetLedger(table.disks[2]).mark_restored(None)
    task = decrypting(table)
    table.seat(2, task)
    with pytest.raises(Refused) as caught:
        table.settle()
    assert caught.value.rule == "one-set"
    assert not said_by(table, 2, SetLock)
    (refusal,) = said_by(table, 2, Refusal)
    assert (refusal.rule, refusal.member) == ("one-set", 0)
    assert "restored from a backup" in refusal.reason


def test_a_restored_hospital_helps_to_decrypt_a_round_that_was_opened_later() -> None:
    table = RoundTable()
    disk = table.disks[2]
    SetLedger(disk).mark_restored(Head(1, bytes(32)))
    table.say(1, Draft("study/cardio/0", Statement(bytes(32), 3)))
    for i in table.disks:
        table.train(i, Steps())
    table.tasks.pop(2)
    table.settle()
    table.open("study/cardio/1")
    table.settle()
    for i in table.tasks:
        table.tasks[i].due = lambda: None
    table.close("study/cardio/1")
    task = decrypting(table)
    table.seat(2, task)
    table.settle()
    assert len(said_by(table, 2, SetLock)) == 1


def test_a_restored_hospital_trains_on_with_what_the_others_decrypt() -> None:
    table = closed_round()
    table.disks[2] = Disk()
    SetLedger(table.disks[2]).mark_restored(None)
    for i in table.disks:
        table.train(i, Steps())
    table.settle()
    assert not said_by(table, 2, SetLock)
    assert not said_by(table, 2, Refusal)
    assert [len(said_by(table, i, SetLock)) for i in (1, 3, 4, 5)] == [1, 1, 1, 1]
    stated = {said_by(table, i, Statement)[-1].result for i in table.disks}
    assert len(stated) == 1
    table.play("study/cardio/2")  # opened after the restore: it helps again
    assert len(said_by(table, 2, SetLock)) == 1
