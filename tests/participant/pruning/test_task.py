"""A hospital keeps so many models of each study, and a sample of each that goes."""

from typing import Any

import numpy as np
import pytest

from participant.errors import DiskError, ModelLetGo
from participant.model.file import bounds_name, model_name
from participant.pruning import LEAST, Pruned, PruningTask, SampledModels
from participant.pruning import task as pruning
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.messages.plan import Ending
from tests.simulator.disk import Crash, Disk
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import STUDY, training_study
from tests.stage.toy import model_secret, toy_epoch

TERMS = toy_epoch().federation.terms
ROUNDS = 4


def pruner(table: RoundTable, index: int = 1, keep: int = 2, **more: Any) -> PruningTask:
    task = PruningTask(index, table.disks[index], model_secret(index), keep, **more)
    task.begin(table.board)
    return task


def to_end(task: PruningTask) -> PruningTask:
    while task._waiting:
        assert task.due() is None
    return task


def trained(rounds: int = ROUNDS, end: int = ROUNDS, **plan: Any) -> RoundTable:
    table = RoundTable(study=training_study(TERMS, **{"rounds": end} | plan))
    for i in (1, 2, 3, 4, 5):
        table.train(i, Steps())
    for number in range(1, rounds + 1):
        table.play(table.session(number))
    return table


def numbers(disk: Disk, kind: str = "model", study: str = STUDY) -> list[int]:
    names = disk.names(f"studies/{study}/{kind}-")
    return sorted(int(name.rpartition("-")[2].partition(".")[0]) for name in names)


def test_the_newest_models_stay_and_of_others_a_sample() -> None:
    table = trained()
    disk = table.disks[1]
    assert numbers(disk) == [0, 1, 2, 3, 4]
    to_end(pruner(table))
    assert numbers(disk) == [3, 4]
    assert numbers(disk, "bounds") == [3, 4]
    assert numbers(disk, "sample") == [0, 1, 2]


@pytest.mark.parametrize("keep", [2, 3, 5, 9])
def test_so_many_stay_as_people_have_said(keep: int) -> None:
    table = trained()
    to_end(pruner(table, keep=keep))
    assert numbers(table.disks[1]) == list(range(5))[-keep:]


def test_fewer_than_two_are_never_kept() -> None:
    with pytest.raises(ValueError, match="2 models or more"):
        PruningTask(1, Disk(), b"", LEAST - 1)


def test_other_hospitals_keep_theirs() -> None:
    table = trained()
    to_end(pruner(table))
    assert numbers(table.disks[2]) == [0, 1, 2, 3, 4]


def test_one_model_goes_at_a_time() -> None:
    table = trained()
    task = pruner(table)
    gone = []
    while task._waiting:
        task.due()
        gone.append(5 - len(numbers(table.disks[1])))
    assert gone == [1, 2, 3, 3]


def test_after_each_round_the_next_one_goes() -> None:
    table = RoundTable(study=training_study(TERMS, rounds=ROUNDS))
    for i in (1, 2, 3, 4, 5):
        table.train(i, Steps())
    task = pruner(table)
    seen = []
    for number in range(1, ROUNDS + 1):
        begun = len(table.board.entries)
        table.play(table.session(number))
        for posted in table.board.entries[begun:]:
            if task.wants(posted.post.session):
                assert not task.needs(posted)
                task.receive(posted, {})
        to_end(task)
        seen.append(numbers(table.disks[1]))
    assert seen == [[0, 1], [1, 2], [2, 3], [3, 4]]


def test_what_was_said_before_it_began_is_not_read_again() -> None:
    table = trained(2)
    task = pruner(table)
    assert not task.wants(table.session(1))
    assert task.wants(table.session(3))
    assert not task.wants(f"study/{STUDY}")


def test_it_explains_a_post_of_another_task() -> None:
    """Or else a decline would end it, and an agent that is there for one task with it."""
    table = trained(1)
    posted = table.board.entries[-1]
    assert pruner(table).explains(posted.post)


def test_a_training_that_goes_on_from_what_is_kept_is_none_the_wiser() -> None:
    table = trained(3)
    for i in (1, 2, 3, 4, 5):
        to_end(pruner(table, i))
    table.tasks.clear()
    for i in (1, 2, 3, 4, 5):
        table.train(i, Steps())
    table.play(table.session(4))
    tasks = table.tasks.values()
    assert all(isinstance(t, TrainingTask) and t.done and t.finished == 4 for t in tasks)


def test_a_model_from_which_a_study_is_to_start_stays_until_it_has() -> None:
    table = trained()
    plan = {"start_study": STUDY, "start_round": 1, "rounds": 1}
    other = RoundTable(study=training_study(TERMS, "second", **plan), at=table)
    to_end(pruner(table))
    assert numbers(table.disks[1]) == [1, 3, 4]
    for i in (1, 2, 3, 4, 5):
        other.train(i, Steps())
    other.play(other.session(1))
    to_end(pruner(table))
    assert numbers(table.disks[1]) == [3, 4]


def test_a_model_from_which_a_study_was_to_start_goes_once_that_has_ended() -> None:
    table = trained()
    plan = {"start_study": STUDY, "start_round": 1, "rounds": 1}
    other = RoundTable(study=training_study(TERMS, "second", **plan), at=table)
    to_end(pruner(table))
    digest = other.study_of(other.session(1)).digest
    for i in (1, 2, 3, 4, 5):
        other.say(i, Draft("study/second", Ending(digest)))
    to_end(pruner(table))
    assert numbers(table.disks[1]) == [3, 4]


# ── what is told ──


def test_of_each_study_it_is_told_once() -> None:
    table, told = trained(3), list[Pruned]()
    task = to_end(pruner(table, tell=told.append))
    assert told == [Pruned(STUDY, 2, (0, 1), ())]
    table.play(table.session(4))
    task._waiting.add(STUDY)
    to_end(task)
    assert numbers(table.disks[1]) == [3, 4]
    assert len(told) == 1


def test_where_nothing_goes_nothing_is_told() -> None:
    table, told = trained(1), list[Pruned]()
    to_end(pruner(table, tell=told.append))
    assert told == []


def test_a_model_that_is_gone_is_said_to_be() -> None:
    table = trained()
    task = table.tasks[1]
    assert isinstance(task, TrainingTask)
    assert np.array_equal(task.parameters_after(4)[0], task.parameters[0])
    to_end(pruner(table))
    with pytest.raises(ModelLetGo) as error:
        task.parameters_after(1)
    assert (error.value.round_name, error.value.newest) == ("cardio/1", 4)


# ── what goes wrong ──


def test_a_file_that_is_no_model_is_left_where_it_is_and_told() -> None:
    table, told = trained(), list[Pruned]()
    name = model_name(STUDY, 1)
    table.disks[1].write(name, b"x")
    to_end(pruner(table, tell=told.append))
    assert numbers(table.disks[1]) == [1, 3, 4]
    assert numbers(table.disks[1], "sample") == [0, 2]
    assert told == [Pruned(STUDY, 2, (0, 2), (1,))]


def test_another_model_in_the_place_of_one_that_was_let_go_of_does_not_replace_its_sample() -> None:
    table = trained()
    disk = table.disks[1]
    wrong = disk.read(model_name(STUDY, 4))
    to_end(pruner(table))
    before = disk.read(f"studies/{STUDY}/sample-1")
    disk.write(model_name(STUDY, 1), wrong or b"")
    to_end(pruner(table))
    assert disk.read(f"studies/{STUDY}/sample-1") == before
    assert numbers(disk) == [1, 3, 4]


def test_the_same_model_put_back_goes_again() -> None:
    table = trained()
    disk = table.disks[1]
    right = disk.read(model_name(STUDY, 1))
    to_end(pruner(table))
    disk.write(model_name(STUDY, 1), right or b"")
    to_end(pruner(table))
    assert numbers(disk) == [3, 4]


def test_a_damaged_sample_is_made_anew_while_the_model_is_there() -> None:
    table = trained()
    table.disks[1].write(f"studies/{STUDY}/sample-0", b"x")
    to_end(pruner(table))
    samples = SampledModels(model_secret(1), table.disks[1])
    assert all(samples.kept(STUDY, k) for k in (0, 1, 2))


@pytest.mark.parametrize("moment", range(20))
def test_a_crash_leaves_the_model_or_its_sample(moment: int) -> None:
    table = trained()
    disk = table.disks[1]
    disk.dies_after(moment)
    try:
        to_end(pruner(table))
    except Crash:
        assert moment < 18  # two moments at three changes of three models
    else:
        assert moment >= 18
    disk.dies_after(1_000)
    samples = SampledModels(model_secret(1), disk)
    for k in range(5):
        assert disk.read(model_name(STUDY, k)) or samples.kept(STUDY, k)
    to_end(pruner(table))
    assert numbers(disk) == [3, 4]
    assert numbers(disk, "sample") == [0, 1, 2]


def test_where_the_model_goes_first_a_crash_loses_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above sees it."""

    def let_go(task: PruningTask, study: str, number: int) -> bool:
        task._storage.delete(bounds_name(study, number))
        task._storage.delete(model_name(study, number))
        return True

    monkeypatch.setattr(PruningTask, "_let_go", let_go)
    with pytest.raises(AssertionError):
        test_a_crash_leaves_the_model_or_its_sample(5)


class Full(Disk):
    """It has room for no sample."""

    number = 28  # ENOSPC

    def write(self, name: str, data: bytes) -> None:
        if "/sample-" in name:
            raise DiskError(name, "no space left on device", self.number)  # type: ignore[arg-type]
        super().write(name, data)


def test_a_full_disk_loses_no_model() -> None:
    table = trained()
    full = Full()
    full.files = table.disks[1].files
    table.disks[1] = full
    with pytest.raises(DiskError):
        to_end(pruner(table))
    assert numbers(full) == [0, 1, 2, 3, 4]


class Kept(Disk):
    """It lets no model go."""

    def delete(self, name: str) -> None:
        raise DiskError(name, "permission denied", 13)  # type: ignore[arg-type]


def test_a_model_that_cannot_be_deleted_is_told_and_ends_no_other_work() -> None:
    table, told, kept = trained(), list[Pruned](), Kept()
    kept.files = table.disks[1].files
    table.disks[1] = kept
    to_end(pruner(table, tell=told.append))
    assert told == [Pruned(STUDY, 2, (), (0, 1, 2))]
    assert numbers(kept) == [0, 1, 2, 3, 4]


def test_a_disk_that_does_not_read_a_model_ends_no_other_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, told = trained(), list[Pruned]()

    def refused(*given: object) -> None:
        raise DiskError("model", "input/output error", 5)  # type: ignore[arg-type]

    monkeypatch.setattr(pruning, "read_stored", refused)
    to_end(pruner(table, tell=told.append))
    assert told == [Pruned(STUDY, 2, (), (0, 1, 2))]
