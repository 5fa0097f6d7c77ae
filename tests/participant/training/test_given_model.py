"""A hospital whose next round's vectors are gone goes on from a model of another hospital."""

import numpy as np
import pytest

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Reader, Tasks
from participant.errors import NotStated, RejectedByAggregator, VectorsGone
from participant.model.file import model_name
from participant.training.task import TrainingTask
from protocol.wire.frames import BlobAbsent
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import STUDY, training_study
from tests.stage.toy import model_secret, toy_epoch

PLACE = model_name(STUDY, 2)


def played() -> RoundTable:
    """Two rounds of four hospitals; the fifth has approved, and was away."""
    table = RoundTable()
    for index in (1, 2, 3, 4):
        table.train(index, Steps())
    for number in (1, 2):
        table.play(f"study/cardio/{number}")
    return table


def test_a_model_that_enough_have_stated_is_taken() -> None:
    table = played()
    table.disks[5].files[PLACE] = table.disks[1].files[PLACE]
    late = table.train(5, Steps())
    table.settle()
    assert late.finished == 2
    first = table.tasks[1]
    assert isinstance(first, TrainingTask)
    assert np.array_equal(late.parameters[0], first.parameters[0])
    table.play("study/cardio/3")
    assert late.finished == 3
    assert 5 in table.view("study/cardio/3").contributions


def test_one_that_nobody_has_stated_is_not() -> None:
    table = played()
    of_before = table.disks[1].files[model_name(STUDY, 1)]
    table.disks[5].files[PLACE] = of_before.replace(b'"round":"1"', b'"round":"2"')
    with pytest.raises(NotStated) as caught:
        table.train(5, Steps())
    assert (caught.value.round_name, caught.value.place) == ("cardio/2", PLACE)
    assert caught.value.needed == 3


def test_one_that_too_few_have_stated_is_not() -> None:
    """Two hospitals of five that stand at another model take no third with them."""
    table = played()
    given = table.disks[1].files[PLACE]
    other = table.train(5, Steps(0.7))
    table.settle()
    assert other.finished == 2
    table.disks[4].files = {k: v for k, v in table.disks[4].files.items() if "bounds" not in k}
    changed = bytearray(given)
    changed[-1] ^= 1
    table.disks[4].files[PLACE] = bytes(changed)
    with pytest.raises(NotStated):
        table.train(4, Steps())


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize(("opened", "is_due"), [(2, True), (4, False)])
def test_a_vector_that_is_gone_ends_the_training_with_a_word_of_whether_it_was_due(
    opened: int, is_due: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = training_study(toy_epoch().federation.terms, suite="hybrid", keep_vectors=2)
    table = RoundTable(study=study)
    task = table.train(5, Steps())
    monkeypatch.setattr(type(table.board), "opened", lambda board, name: opened)
    monkeypatch.setattr(TrainingTask, "wanted_blobs", lambda task: [(b"x" * 32, 5)])
    with pytest.raises(VectorsGone) as caught:
        task.blob_absent(b"x" * 32)
    found = caught.value
    assert (found.round_name, found.kept, found.is_due) == ("cardio/1", 2, is_due)
    with pytest.raises(RejectedByAggregator):
        task.blob_absent(b"y" * 32)


def test_only_who_needs_an_absent_blob_is_ended() -> None:
    table, name = RoundTable(), b"x" * 32
    disk, federation = table.disks[1], table.toy.federation
    place = federation.terms, STUDY, table.ring(1), Steps(), disk, model_secret(1)
    needing, other = TrainingTask(*place), TrainingTask(*place)
    ended = list[tuple[Task, Exception | None]]()
    tasks = Tasks(lambda task, error: ended.append((task, error)))
    agent = Agent(federation.terms, 1, federation.keys[1], disk, tasks)
    tasks.readers += map(Reader, (needing, other))
    agent.receive(BlobAbsent(name))
    assert not ended
    tasks.readers[0].streamed.add(name)
    agent.receive(BlobAbsent(name))
    ((task, error),) = ended
    assert task is needing
    assert isinstance(error, RejectedByAggregator)
    assert [reader.task for reader in tasks.readers] == [other]
