"""Rounds of training, as one hospital's task sees them."""

from typing import Any

import numpy as np
import pytest

from participant.errors import BadApp, ModelMismatch
from participant.model.file import model_name
from participant.training.task import TrainingTask
from protocol.errors import Refused
from protocol.messages.rounds import Partial, Refusal, SetLock, Statement
from tests.participant.rounds.test_differencing import Other, seat_spoiler
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.studies import STUDY


def training(*members: int, step: float = 0.1) -> RoundTable:
    """A table at which these hospitals train, or all."""
    table = RoundTable()
    for i in members or table.toy.federation.members:
        table.train(i, Steps(step))
    return table


def report_to(task: TrainingTask, reports: Events) -> None:
    """From now on a task reports there."""
    course = task._known
    course._report = course._stance._report = lambda *report: reports.append(report)


def closed(table: RoundTable, *chosen: int) -> None:
    """The hospitals contribute to round 1, and it is closed over some of them, or all."""
    table.settle()
    table.open("study/cardio/1")
    table.settle()
    table.close("study/cardio/1", chosen or None)


def opened(app: Any, **changes: Any) -> TrainingTask:
    """Hospital 1's task, to which round 1 is opened."""
    table = RoundTable()
    task = table.train(1, app)
    table.settle()
    table.open("study/cardio/1", **changes)
    return task


def test_a_round_gives_everyone_the_weighted_average() -> None:
    table = RoundTable()
    tasks = [table.train(i, Steps(i / 10)) for i in table.toy.federation.members]
    table.play("study/cardio/1")
    for task in tasks:
        assert task.finished == 1
        weights, bias = task.parameters
        assert weights.shape == (1, 2)
        assert bias.dtype == np.float32
        np.testing.assert_allclose(weights, 0.3, atol=1e-3)
        np.testing.assert_allclose(bias, 0.3, atol=1e-3)
    assert len({task.parameters[0].tobytes() for task in tasks}) == 1


def test_a_hospital_that_was_away_catches_up_with_the_others() -> None:
    table = RoundTable()
    present = [table.train(i, Steps()) for i in (1, 2, 3, 4)]
    table.play("study/cardio/1")
    late = table.train(5, Steps())
    table.settle()
    assert late.finished == 1
    assert np.array_equal(late.parameters[0], present[0].parameters[0])
    assert 5 not in table.view("study/cardio/1").contributions


def test_a_restart_goes_on_from_the_stored_model() -> None:
    table = training()
    table.play("study/cardio/1")
    app = Steps()
    again = table.train(2, app)
    assert (again.finished, app.fits) == (1, 0)
    assert again.due() is None


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("another plan", {"plan": b"x" * 32}),
        ("another model", {"model": b"x" * 32}),
        ("another key", {"epoch": b"x" * 32}),
        ("another length", {"length": 4}),
        ("bound", {"clip": 4.0}),
        ("suite", {"suite": "hybrid"}),
    ],
)
def test_a_round_that_is_opened_for_something_else_is_not_contributed_to(
    why: str, changes: dict[str, Any]
) -> None:
    task = opened(Steps(), **changes)
    with pytest.raises(ModelMismatch, match=why) as caught:
        task.due()
    assert caught.value.round_name == "cardio/1"


def test_rounds_beyond_the_plan_are_not_listened_to() -> None:
    table = RoundTable()
    task = table.train(1, Steps())
    assert task.wants("study/cardio/5")
    assert not task.wants("study/cardio/6")
    assert not task.wants("study/cardio2/5")


class Wrong(Steps):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        return self.answer


GOOD = [np.zeros((1, 2)), np.zeros(1, dtype=np.float32)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (([np.array([[np.nan, 0]]), GOOD[1]], 10, {}), "entry 0, 'parameter_0', holds NaN"),
        (
            ([GOOD[0], np.array([np.inf], dtype=np.float32)], 10, {}),
            "'parameter_1', holds NaN or inf",
        ),
        ((GOOD[:1], 10, {}), "entry 1, 'parameter_1', is missing"),
        (
            ([np.zeros((2, 2)), GOOD[1]], 10, {}),
            r"entry 0, 'parameter_0', has shape \(2, 2\) instead of \(1, 2\)",
        ),
        (([np.zeros(2), GOOD[1]], 10, {}), r"entry 0, 'parameter_0', has shape \(2,\)"),
        (
            ([GOOD[0], np.zeros(1, dtype=int)], 10, {}),
            "'parameter_1', is 1 int64 instead of 1 float32",
        ),
        (
            ([[0.0, 0.0], GOOD[1]], 10, {}),
            "entry 0, 'parameter_0', is a list that holds numbers instead of 1x2 float64",
        ),
        ((GOOD, 10.0, {}), "num_examples is of type float"),
        ((GOOD, True, {}), "num_examples is of type bool"),
        (GOOD, "it must return"),
        (None, "it must return"),
    ],
)
def test_an_unusable_update_is_refused_before_anything_is_said(answer: Any, reason: str) -> None:
    task = opened(Wrong(answer))
    with pytest.raises(BadApp, match=reason) as caught:
        task.due()
    assert caught.value.function == "fit"


def test_a_hospital_whose_update_is_beyond_the_plan_adds_nothing_and_it_is_said() -> None:
    table = RoundTable()
    one_far = [np.array([[100.0, 0.0]]), GOOD[1]]
    reports = table.reported(1, Wrong((one_far, 10, {})))
    for i in (2, 3, 4, 5):
        table.train(i, Steps())
    table.play("study/cardio/1")
    assert set(table.view("study/cardio/1").contributions) == {2, 3, 4, 5}
    assert (1, "beyond-plan", {"largest": 100.0, "clip": 8.0}) in reports
    assert "decrypted" in [event for _, event, _ in reports]


def test_a_closing_over_one_update_is_refused_by_every_hospital() -> None:
    table = training()
    closed(table, 3)
    for index, task in list(table.tasks.items()):
        draft = task.due()
        assert draft is not None
        with pytest.raises(Refused) as caught:
            table.publish(index, draft)
        assert (caught.value.round_name, caught.value.rule) == ("cardio/1", "min-contributors")
        del table.tasks[index]
    view = table.view("study/cardio/1")
    assert set(view.refusals) == set(table.toy.federation.members)
    assert all(isinstance(r, Refusal) for r in view.refusals.values())
    assert {r.rule for r in view.refusals.values()} == {"min-contributors"}
    assert not view.locks
    assert not view.partials


def test_nothing_is_released_before_enough_hospitals_have_locked_the_set() -> None:
    table = training()
    closed(table)
    del table.tasks[4], table.tasks[5]  # three locks, four are needed
    table.settle()
    view = table.view("study/cardio/1")
    assert len(view.locks) == 3
    assert not view.partials
    chosen = view.chosen(table.terms.federation)
    assert chosen is not None
    table.train(4, Steps())
    table.settle()
    assert len(table.view("study/cardio/1").partials) >= table.terms.quorum
    locks = [p for p in table.board.session("study/cardio/1") if p.post.body == SetLock(chosen)]
    assert len(locks) == 4


@pytest.mark.parametrize("restarted", [False, True])
def test_whoever_locked_the_set_helps_though_it_knows_the_sum_already(restarted: bool) -> None:
    table = training()
    closed(table)
    while not table.view("study/cardio/1").partials.keys() >= {1, 2, 3}:
        for i in (1, 2, 3, 4):
            said = {Partial, Statement} if i == 4 else {Statement}
            draft = table.tasks[i].due()
            if draft and type(draft.body) not in said:
                table.publish(i, draft)
    last = table.tasks[4]
    assert isinstance(last, TrainingTask)
    assert last.finished == 1
    if restarted:
        last = table.train(4, Steps())
    table.settle()
    assert 4 in table.view("study/cardio/1").partials
    assert 4 in table.view("study/cardio/1").statements


def test_a_hospital_at_another_model_is_reported_and_can_mend_it() -> None:
    table, reports = RoundTable(), Events()
    for i in (1, 2, 3):
        table.train(i, Steps(), lambda *report: reports.append(report))
    table.train(4, Other())
    table.settle()
    facts = {"members": ["H4"], "agreeing": 3, "needed": 3, "entries": [], "run": "", "runs": []}
    assert [r for r in reports if r[1] != "entries"] == [(0, "disagreement", facts)] * 3
    assert len({s.result for s in table.view("study/cardio/0").statements.values()}) == 2
    del table.tasks[4]
    table.train(4, Steps())
    table.settle()
    assert len({s.result for s in table.view("study/cardio/0").statements.values()}) == 1
    said = [type(p.post.body) for p in table.board.session("study/cardio/0")]
    assert said.count(Statement) == 5


def test_a_garbage_contribution_voids_the_round_and_not_the_training() -> None:
    table = RoundTable()
    tasks = [table.train(i, Steps()) for i in (1, 2, 3, 4)]
    seat_spoiler(table, Steps())
    reports = Events()
    report_to(tasks[0], reports)
    table.play("study/cardio/1")
    assert "void" in [event for _, event, _ in reports]
    assert all(task.finished == 1 for task in tasks)
    assert all(not task.parameters[0].any() for task in tasks)
    assert len({s.result for s in table.view("study/cardio/1").statements.values()}) == 1


def test_a_sum_is_not_applied_to_another_model_than_the_rounds() -> None:
    table = training(1, 2, 3, 4)
    table.play("study/cardio/1")
    with pytest.raises(ModelMismatch):
        table.train(5, Other())
    assert table.disks[5].read(model_name(STUDY, 1)) is None


def test_who_starts_again_while_a_round_is_open_takes_part_in_it() -> None:
    table = training()
    table.play("study/cardio/1")
    table.settle()
    table.open("study/cardio/2")
    before = dict(table.view("study/cardio/1").statements)
    table.train(1, Steps())
    table.settle()
    assert table.view("study/cardio/1").statements == before
    assert 1 in table.view("study/cardio/2").contributions
