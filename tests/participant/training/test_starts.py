"""A study's first round is compared with all that nearly starts where it does."""

from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from participant.model.file import model_name
from participant.pruning import PruningTask
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.messages.rounds import SetLock
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.studies import SESSION, STUDY, training_study
from tests.stage.toy import model_secret, toy_epoch

TERMS = toy_epoch().federation.terms
SECOND = "study/second/1"


class From(Steps):
    """Begins with these entries."""

    def __init__(self, **entries: Any) -> None:
        super().__init__()
        self.entries = {name: np.array(values, float) for name, values in entries.items()}

    def initial_parameters(self, config: Any) -> Any:
        return {name: entry.copy() for name, entry in self.entries.items()}

    def fit(self, parameters: Any, config: Any) -> Any:
        return {name: entry + 0.1 for name, entry in parameters.items()}, 10, {}


def first(app: Steps, end: bool = True, **plan: Any) -> RoundTable:
    """Round 1 of a study of four weights, each of which changes by 0.5 at most; it ends."""
    table = RoundTable(study=training_study(TERMS, **{"clip": 0.5, "rounds": 1} | plan))
    for i in (1, 2, 3, 4, 5):
        table.train(i, app)
    table.settle()
    table.open(SESSION)
    table.settle()
    table.close(SESSION)
    if end:
        table.settle()
    table.tasks.clear()
    return table


def second(table: RoundTable, app: Steps, **plan: Any) -> tuple[RoundTable, TrainingTask, Events]:
    """Another study, whose first round is open."""
    study = training_study(TERMS, "second", **{"clip": 0.25} | plan)
    other, events = RoundTable(study=study, at=table), Events()
    task = other.train(1, app, lambda *said: events.append(said))
    for i in (2, 3, 4, 5):
        other.train(i, app)
    other.settle()
    other.open(SECOND)
    return other, task, events


def near_of(task: TrainingTask) -> tuple[str, ...]:
    draft = task.due()
    assert draft is not None
    assert not draft.body.near.before
    return draft.body.near.rounds


BEFORE = From(a=[0, 0, 0], b=[5])


@pytest.mark.parametrize(
    ("now", "is_near"),
    [
        (From(a=[0, 0, 0], b=[6]), True),  # one dummy weight
        (From(a=[0.5, -0.5, 0.4], b=[9]), True),  # the larger of the two clips
        (From(a=[0.6, 0, 0], b=[9]), False),  # two of four are not more than half
        (From(a=[0.6, 0, 0], b=[5.5]), True),  # three of four
        (From(a=[0, 0, 0], b=[5], c=[1] * 90), True),  # it is in a larger one
        (From(x=[0, 0, 0], y=[5]), False),  # other names
        (From(a=[[0, 0, 0]], b=[9]), False),  # another shape
        (From(a=[8, 8, 8], b=[5]), False),
    ],
)
def test_models_are_near_where_more_than_half_of_the_smaller_ones_weights_are(
    now: Steps, is_near: bool
) -> None:
    _, task, _ = second(first(BEFORE), now)
    assert near_of(task) == ((SESSION,) if is_near else ())


def test_the_very_same_model_is_compared_without_that() -> None:
    _, task, _ = second(first(BEFORE), BEFORE)
    assert near_of(task) == ()


def test_a_model_that_is_here_no_more_counts_as_near() -> None:
    table = first(BEFORE)
    table.disks[1].delete(model_name(STUDY, 0))
    _, task, _ = second(table, From(a=[8, 8, 8], b=[8]))
    assert near_of(task) == (SESSION,)


def of_another_study() -> bytes:
    return first(From(a=[9, 9, 9], b=[9])).disks[1].read(model_name(STUDY, 0)) or b""


def test_a_wrong_file_in_the_place_of_a_model_counts_as_near() -> None:
    """Such as one that another hospital gave after a loss, so that its study is not compared."""
    table, name = first(BEFORE), model_name(STUDY, 0)
    own = table.disks[1].read(name) or b""
    entries = safetensors.numpy.load(own)
    cut = {"a": entries["a"]}  # valid, and its weights are near to no model of other entries
    wrong = {
        "another model": of_another_study(),
        "no metadata": safetensors.numpy.save(entries),
        "other entries": safetensors.numpy.save(cut, {"dtypes": '{"a": "float64"}'}),
        "no entries": safetensors.numpy.save({}),
        "no entries, and metadata": safetensors.numpy.save({}, {"dtypes": "{}"}),
        "nothing": b"",
    }
    said = {}
    for what, data in ({"its own": own} | wrong).items():
        table = first(BEFORE)
        table.disks[1].write(name, data)
        _, task, _ = second(table, From(a=[8, 8, 8], b=[8]))
        said[what] = near_of(task)
    assert said == {"its own": ()} | dict.fromkeys(wrong, (SESSION,))


def test_the_model_before_the_first_round_is_kept_by_who_contributes() -> None:
    data = first(BEFORE).disks[3].read(model_name(STUDY, 0))
    assert data is not None
    assert safetensors.numpy.load(data)["b"] == [5]


@pytest.mark.parametrize(
    "now", [BEFORE, From(a=[0, 0, 0], b=[6])], ids=["the same model", "a near one"]
)
def test_a_first_round_waits_for_the_end_of_the_one_that_it_is_near_to(now: Steps) -> None:
    table = first(BEFORE, end=False)
    other, task, events = second(table, now)
    assert task.due() is None
    assert (1, "other-rounds", {"rounds": ["cardio/1"]}) in events
    waiting = task.waiting(other.board)
    assert waiting.kind == "other-rounds"
    assert waiting.facts == {"session": SECOND, "rounds": ["cardio/1"]}
    assert waiting.members == (1, 2, 3, 4, 5)
    assert task.due() is None
    assert len([event for event in events if event[1] == "other-rounds"]) == 1
    for i in (1, 2, 3, 4):
        table.publish(i, Draft(SESSION, SetLock(table.chosen_in(SESSION))))
    draft = task.due()
    assert draft is not None
    assert draft.session == SECOND


def test_a_first_round_far_from_all_others_waits_for_none() -> None:
    _, task, _ = second(first(BEFORE, end=False), From(a=[8, 8, 8], b=[8]))
    assert near_of(task) == ()


def test_later_rounds_of_a_study_name_nothing() -> None:
    other, task, _ = second(first(BEFORE), From(a=[0, 0, 0], b=[6]))
    other.settle()
    other.close(SECOND)
    other.settle()
    other.open("study/second/2")
    assert near_of(task) == ()


def test_of_rounds_that_are_one_already_the_newest_is_named_for_all() -> None:
    other, _, _ = second(first(BEFORE), From(a=[0, 0, 0], b=[6]), rounds=1)
    other.settle()
    other.close(SECOND)
    other.settle()
    other.tasks.clear()
    third = RoundTable(study=training_study(TERMS, "third", clip=0.25), at=other)
    for i in (1, 2, 3, 4, 5):
        third.train(i, From(a=[0, 0, 0], b=[7]))
    third.settle()
    third.open("study/third/1")
    task = third.tasks[1]
    assert isinstance(task, TrainingTask)
    assert near_of(task) == (SECOND,)  # which has named the first


def test_in_another_federation_an_app_goes_on_from_exactly_the_last_model() -> None:
    """A study goes on from one of the federation before by its file, and has the same start."""
    table = first(Steps())
    name = model_name(STUDY, 1)
    entries = safetensors.numpy.load(table.disks[1].read(name) or b"")

    class GoesOn(Steps):
        def initial_parameters(self, config: Any) -> Any:
            return [entries[name] for name in sorted(entries)]

    other = toy_epoch(3, 2)
    new = RoundTable(other, training_study(other.federation.terms))
    for i in other.federation.members:
        new.train(i, GoesOn())
    new.settle()
    last = table.view(SESSION).statements[1].result
    began = new.view(f"study/{STUDY}/0").statements
    assert [said.result for said in began.values()] == [last] * 3


def test_what_cannot_be_compared_is_told_once() -> None:
    table = first(BEFORE)
    table.disks[1].delete(model_name(STUDY, 0))
    other, task, events = second(table, From(a=[8, 8, 8], b=[8]))
    assert near_of(task) == (SESSION,)
    assert [e for e in events if e[1] == "not-compared"] == [
        (1, "not-compared", {"rounds": ["cardio/1"]})
    ]
    other.settle()
    other.close(SECOND)
    other.settle()
    other.open("study/second/2")
    assert near_of(task) == (SESSION,)
    assert [n for n, name, _ in events if name == "not-compared"] == [1]


def test_where_all_is_compared_nothing_is_told_of_it() -> None:
    _, task, events = second(first(BEFORE), From(a=[8, 8, 8], b=[8]))
    assert near_of(task) == ()
    assert "not-compared" not in {name for _, name, _ in events}


def sampled(table: RoundTable) -> RoundTable:
    """Hospital 1 has let go of the model."""
    task = PruningTask(1, table.disks[1], model_secret(1), 2)
    assert task._let_go(STUDY, 0)
    return table


@pytest.mark.parametrize(("start", "is_near"), [(6.0, True), (8.0, False)])
def test_a_model_that_was_let_go_of_is_compared_by_its_sample(start: float, is_near: bool) -> None:
    far = [0, 0, 0] if is_near else [8, 8, 8]
    _, task, events = second(sampled(first(BEFORE)), From(a=far, b=[start]))
    assert near_of(task) == ((SESSION,) if is_near else ())
    assert "not-compared" not in {name for _, name, _ in events}


def test_a_damaged_sample_is_told_as_what_is_gone() -> None:
    table = sampled(first(BEFORE))
    table.disks[1].write(f"studies/{STUDY}/sample-0", b"x")
    _, task, events = second(table, From(a=[8, 8, 8], b=[8]))
    assert near_of(task) == (SESSION,)
    assert (1, "not-compared", {"rounds": ["cardio/1"]}) in events


def test_a_wrong_file_put_back_beside_the_sample_does_not_count() -> None:
    table = sampled(first(BEFORE))
    table.disks[1].write(model_name(STUDY, 0), of_another_study())
    _, task, _ = second(table, From(a=[0, 0, 0], b=[6]))
    assert near_of(task) == (SESSION,)
