"""Tasks outlive an epoch: a refresh gives the same key with new shares while they are at work."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from participant.agent.set_ledger import SetLedger
from participant.agent.task import Task
from participant.errors import ModelMismatch, RetiredShare, UnfitNumbers
from participant.key.check import KeyCheckTask
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.board.handover import Handovers
from protocol.errors import Refused
from protocol.key.epoch import EpochSecret, HeldKey
from protocol.messages.check import CheckPart
from protocol.messages.rounds import Contribution, Partial, Refusal, SetLock
from protocol.sealing import SealingKey
from tests.stage.programs.referents import referents
from tests.stage.rounds.rings import held_in, refreshed
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import STATISTIC, statistic_study
from tests.stage.toy import number_secret, toy_epoch

FIVE = (1, 2, 3, 4, 5)
OLD, NEW = toy_epoch(), refreshed()
FIRST, SECOND = "study/cardio/1", "study/cardio/2"


class TwoEpochs(RoundTable):
    """A table at which the key is refreshed; rounds are opened under ``toy``'s epoch."""

    def refresh(self, *members: int, keeps_old: bool = True) -> None:
        """Give members their new shares, beside the old ones or in their place."""
        for i in members or FIVE:
            ring = self.ring(i)
            self.held[i][:] = [held_in(OLD, i)] * keeps_old + [held_in(NEW, i)]
            ring.renew()

    def kinds(self, session: str, kind: type) -> set[int]:
        """Who has said something of a kind in a session."""
        return {p.post.sender for p in self.board.session(session) if isinstance(p.post.body, kind)}

    def trained(self, member: int) -> TrainingTask:
        task = self.tasks[member]
        assert isinstance(task, TrainingTask)
        return task


def trains() -> tuple[TwoEpochs, dict[int, Steps]]:
    """Five hospitals that train under the first epoch, and their apps."""
    table = TwoEpochs(OLD)
    apps = {i: Steps(i / 10) for i in FIVE}
    for i, app in apps.items():
        table.train(i, app)
    return table, apps


def adds() -> TwoEpochs:
    """Five hospitals with a number each for a statistic, which is not open."""
    table = TwoEpochs(OLD, statistic_study(OLD.federation.terms))
    for i in FIVE:
        values = Decimal(i), Decimal(10 * i)
        numbers = Numbers("numbers.csv", values)
        place = table.terms, STATISTIC, table.ring(i), numbers, table.disks[i]
        table.seat(i, StatisticTask(*place, number_secret(i)))
    return table


def helped(table: TwoEpochs) -> None:
    """All go over from contributing to decrypting."""
    for i in FIVE:
        table.seat(i, DecryptionTask(*helping(table, i)))


def helping(table: TwoEpochs, i: int) -> tuple[Any, ...]:
    """What a hospital's help with the sum is made of."""
    return (table.terms, STATISTIC, 1, table.ring(i), table.disks[i], lambda question: True)


# ── the next round is one of the new epoch ──


@pytest.mark.parametrize("keeps_old", [True, False])
def test_a_training_goes_on_under_the_new_key_with_the_same_app(keeps_old: bool) -> None:
    table, apps = trains()
    tasks = dict(table.tasks)
    table.play(FIRST)
    table.refresh(keeps_old=keeps_old)
    table.toy = NEW
    table.play(SECOND)
    opening = table.view(SECOND).opening
    assert opening is not None
    assert opening.post.body.epoch == NEW.epoch.digest != OLD.epoch.digest
    for i in FIVE:
        assert table.trained(i) is tasks[i]
        assert table.trained(i).finished == 2
        assert apps[i].fits == 2
        assert table.trained(i).parameters[0] == pytest.approx(0.6, abs=0.001)


def test_a_statistic_that_waits_is_added_under_the_new_key() -> None:
    table = adds()
    table.settle()
    table.refresh(keeps_old=False)
    table.toy = NEW
    table.open(session := f"study/{STATISTIC}/1")
    table.settle()
    table.close(session)
    helped(table)
    table.settle()
    task = table.tasks[1]
    assert isinstance(task, DecryptionTask)
    assert task.sums == [15, 150]


def test_a_sum_that_was_read_is_there_when_its_hospital_has_left() -> None:
    table = adds()
    table.settle()
    table.open(session := f"study/{STATISTIC}/1")
    table.settle()
    table.close(session)
    helped(table)
    table.settle()
    task, ring = table.tasks[1], table.ring(1)
    assert isinstance(task, DecryptionTask)

    def left(known: Sequence[HeldKey]) -> Sequence[HeldKey]:
        raise RetiredShare(Path("h1"), 1)

    ring._read = left
    with pytest.raises(RetiredShare):
        ring.renew()
    assert task.sums == [15, 150]


# ── a round of the old one is judged by the old one ──


@pytest.mark.parametrize("until", ["opened", "closed", "locked"])
def test_a_round_of_the_old_epoch_is_finished_while_its_share_is_held(until: str) -> None:
    table, _ = trains()
    table.settle()
    table.open(FIRST)
    if until != "opened":
        table.settle()
        table.close(FIRST)
    if until == "locked":
        lock(table, *FIVE)
    table.refresh()
    table.settle()
    if until == "opened":
        table.close(FIRST)
        table.settle()
    assert all(table.trained(i).finished == 1 for i in FIVE)
    table.toy = NEW
    table.play(SECOND)
    assert all(table.trained(i).finished == 2 for i in FIVE)


def lock(table: TwoEpochs, *members: int) -> None:
    for i in members:
        draft = table.due(i)
        assert draft is not None
        assert isinstance(draft.body, SetLock)
        table.publish(i, draft)


@pytest.mark.parametrize("knows_set", [False, True])
def test_without_the_old_share_nobody_helps_with_a_round_of_the_old_epoch(knows_set: bool) -> None:
    table, _ = trains()
    table.settle()
    table.open(FIRST)
    table.settle()
    table.close(FIRST)
    if knows_set:
        lock(table, *FIVE)
    table.refresh(1, keeps_old=False)
    draft = table.due(1)
    assert draft is not None
    assert draft.body == Refusal(
        "known-round", 0, "it was not opened, or under a key of which this hospital has no share"
    )
    with pytest.raises(Refused):
        table.publish(1, draft)
    assert 1 not in table.kinds(FIRST, Partial)


def test_without_the_old_share_parts_that_others_release_stay_closed() -> None:
    table, _ = trains()
    table.settle()
    table.open(FIRST)
    table.settle()
    table.close(FIRST)
    lock(table, *FIVE)
    table.refresh(1, keeps_old=False)
    del table.tasks[5]  # which says nothing more
    for i in (2, 3, 4):
        draft = table.due(i)
        assert draft is not None
        table.publish(i, draft)
    assert table.kinds(FIRST, Partial) == {2, 3, 4}
    assert table.trained(2).finished == 1
    assert table.trained(1).finished == 0


def test_a_training_ends_where_others_opened_a_sum_that_it_can_never_read() -> None:
    """Its disk went back in time, and with it the share of the epoch before the newest."""
    table, _ = trains()
    table.board.key.by_digest[OLD.epoch.digest] = OLD.epoch
    table.settle()
    table.open(FIRST)
    table.settle()
    SetLedger(table.disks[1]).mark_restored(table.board.head)
    table.train(1, Steps(0.1))
    table.close(FIRST)
    table.refresh(1, keeps_old=False)
    assert table.due(1) is None
    with pytest.raises(Refused, match="no share any more"):
        table.settle()
    assert len(table.kinds(FIRST, Partial)) >= 3


def test_who_comes_late_to_a_round_that_is_given_up_reads_its_sum_and_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has its old share still, since not all have acknowledged, and helps no more."""
    table = adds()
    table.settle()
    table.open(session := f"study/{STATISTIC}/1")
    table.settle()
    table.close(session)
    helped(table)
    del table.tasks[5]
    table.settle()
    table.refresh()
    monkeypatch.setattr(Handovers, "help_bar", lambda handovers, opened_at: "it is given up")
    table.seat(5, late := DecryptionTask(*helping(table, 5)))
    table.settle()
    assert late.done
    assert late.sums == [15, 150]
    assert 5 not in table.kinds(session, SetLock) | table.kinds(session, Partial)


def test_what_is_public_of_a_round_stays_known_without_its_share() -> None:
    """Its vector may still be read, and its sum applied, once it is decrypted."""
    table, _ = trains()
    table.play(FIRST)
    table.refresh(1, keeps_old=False)
    ended = table.trained(1)._known._rounds[1].member
    assert ended.epoch == OLD.epoch
    assert ended.plaintexts


# ── what is opened under a key that is not held ──


def test_a_training_adds_nothing_to_a_round_of_a_key_that_it_does_not_hold() -> None:
    table, apps = trains()
    table.settle()
    table.toy = NEW
    table.open(FIRST)
    with pytest.raises(ModelMismatch) as caught:
        table.due(1)
    assert (caught.value.what, apps[1].fits) == ("key", 0)
    table.refresh(1)  # and then it does
    draft = table.due(1)
    assert draft is not None
    assert isinstance(draft.body, Contribution)


def test_an_app_that_trains_as_the_share_is_erased_adds_nothing() -> None:
    table, _ = trains()
    table.settle()
    table.open(FIRST)
    table.refresh(1, keeps_old=False)
    with pytest.raises(ModelMismatch) as caught:
        table.due(1)
    assert caught.value.what == "key"


def test_a_statistic_of_a_key_that_is_not_held_gets_no_numbers() -> None:
    table = adds()
    table.settle()
    table.toy = NEW
    table.open(f"study/{STATISTIC}/1")
    with pytest.raises(UnfitNumbers, match="another key"):
        table.due(1)


def test_a_key_that_comes_late_is_taken_for_a_round_that_is_closed() -> None:
    """The board is read faster than the vault: what was refused before is not refused now."""
    table, _ = trains()
    table.settle()
    table.toy = NEW
    table.refresh(2, 3, 4, 5)
    for i in (2, 3, 4, 5):
        table.seat(i, table.tasks[i])
    table.open(FIRST)
    waiting = table.tasks.pop(1)
    table.settle()
    table.close(FIRST)
    table.settle()
    table.tasks[1] = waiting
    for posted in table.board.session(FIRST):
        table.show(1, posted)
    assert table.trained(1).finished == 0
    table.refresh(1)
    said: list[Draft] = []
    while draft := table.due(1):
        said.append(draft)
        table.publish(1, draft)
    assert not any(isinstance(draft.body, Refusal) for draft in said)
    assert {type(draft.body) for draft in said} >= {SetLock, Partial}
    assert table.trained(1).finished == 1


# ── what is left of an old share ──


def secrets_in(task: Task) -> Iterator[EpochSecret | SealingKey]:
    """All that can be reached from a task; not through code, whose globals have this test's."""
    seen, due = set[int](), [task]
    while due:
        found = due.pop()
        if id(found) in seen or isinstance(found, type | ModuleType | FunctionType):
            continue
        seen.add(id(found))
        if isinstance(found, EpochSecret | SealingKey):
            yield found
        due += referents(found)


def check_key(table: TwoEpochs) -> None:
    for i in (1, 2):
        table.seat(i, KeyCheckTask(table.terms, table.ring(i), 0))
    draft = table.due(1)
    assert draft is not None
    table.publish(1, draft)


def train_to_locks(table: TwoEpochs) -> None:
    for i in FIVE:
        table.train(i, Steps())
    table.settle()
    table.open(FIRST)
    table.settle()
    table.close(FIRST)
    lock(table, 1, 2)


def decrypt(table: TwoEpochs) -> None:
    train_to_locks(table)
    for i in FIVE:
        place = table.terms, table.study, 1, table.ring(i), table.disks[i]
        table.seat(i, DecryptionTask(*place, lambda question: True))
        table.due(i)


@pytest.mark.parametrize("begin", [train_to_locks, decrypt, check_key])
def test_no_task_keeps_a_share_that_is_erased(begin: Callable[[TwoEpochs], None]) -> None:
    table = TwoEpochs(OLD)
    begin(table)
    assert set(secrets_in(table.tasks[1])) == {OLD.secrets[1]}
    table.refresh(1, keeps_old=False)
    assert set(secrets_in(table.tasks[1])) == {NEW.secrets[1]}


def test_a_statistic_keeps_no_share_that_is_erased() -> None:
    table = adds()
    table.settle()
    table.refresh(1, keeps_old=False)
    assert set(secrets_in(table.tasks[1])) == {NEW.secrets[1]}


# ── checks of the key ──


def test_who_answers_a_check_of_an_erased_share_is_done_with_it() -> None:
    table = TwoEpochs(OLD)
    check_key(table)
    task = KeyCheckTask(table.terms, table.ring(3), 0, "check/1")
    table.seat(3, task)
    assert isinstance((draft := table.due(3)) and draft.body, CheckPart)
    assert not task.done
    table.refresh(3, keeps_old=False)
    assert task.done
    assert table.due(3) is None
