"""Bounds follow what hospitals need, and what does not fit them leaves the model as it was."""

from typing import Any

import numpy as np
import pytest

from keyshare.errors import BadExamples
from participant.model.file import model_name
from tests.participant.training.test_task import closed, opened, training
from tests.simulator.disk import Crash
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import STUDY


class Sized(Steps):
    """A hospital with so many examples."""

    def __init__(self, examples: int) -> None:
        super().__init__()
        self.examples = examples

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        return [p + p.dtype.type(self.step) for p in parameters], self.examples, {}


def stated(table: RoundTable, session: str) -> set[tuple[float, int]]:
    """The bounds that follow, as members state them."""
    return {(s.clip, s.max_examples) for s in table.view(session).statements.values()}


def test_bounds_follow_what_hospitals_need() -> None:
    table = training(step=0.01)
    outlier = Steps(0.1)  # four times as much is half the average's bound: it must not be cut
    table.train(2, outlier)
    table.settle()
    assert stated(table, "study/cardio/0") == {(8.0, 1_000)}
    table.play("study/cardio/1")
    assert stated(table, "study/cardio/1") == {(0.25, 16)}  # twice 0.125 >= 0.1, and 10 examples
    restarted = table.train(3, Steps(0.01))
    table.settle()
    assert restarted.finished == 1
    assert stated(table, "study/cardio/1") == {(0.25, 16)}
    outlier.step = 1.0
    table.play("study/cardio/2")
    assert stated(table, "study/cardio/2") == {(8.0, 16)}  # what it needed, and may grow by again


@pytest.mark.parametrize("app", [Sized(900), Steps(1.0)], ids=["examples", "change"])
def test_a_round_that_an_update_does_not_fit_leaves_the_model_and_the_next_has_room(
    app: Any,
) -> None:
    table = RoundTable()
    reports = {i: table.reported(i, Steps()) for i in table.toy.federation.members}
    table.play("study/cardio/1")
    before = table.view("study/cardio/1").statements[1].result
    reports[2] = table.reported(2, app)
    table.play("study/cardio/2")
    assert (2, "blinded", {"clip": 0.25, "most": 16}) in reports[2]
    stated = set(table.view("study/cardio/2").statements.values())
    assert len(stated) == 1
    assert stated.pop().result == before
    for told in reports.values():
        assert (2, "outgrown", {}) in told
        assert not {(2, "rounding"), (2, "void")} & {(number, event) for number, event, _ in told}
    table.play("study/cardio/3")
    events = [(number, event) for told in reports.values() for number, event, _ in told]
    assert not {(3, "outgrown"), (3, "blinded")} & set(events)
    assert table.view("study/cardio/3").statements[1].result != before


def test_who_was_left_out_of_a_sum_is_not_missing_from_its_counts() -> None:
    table = training(1, 2, 3, 4, step=0.01)
    reports = table.reported(5, Steps(1.0))
    closed(table, 1, 2, 3, 4)
    table.settle()
    assert "decrypted" in [event for _, event, _ in reports]
    assert "uncounted" not in [event for _, event, _ in reports]
    assert stated(table, "study/cardio/1") == {(0.03125, 16)}


def test_what_rounding_changes_is_reported() -> None:
    table = RoundTable()
    reports = table.reported(1, Steps())
    for i in (2, 3, 4, 5):
        table.train(i, Steps())
    table.play("study/cardio/1")
    table.play("study/cardio/2")
    first, second = [facts["rounding"] for _, event, facts in reports if event == "rounding"]
    steps = table.study_of().quantisation.steps(50)
    assert first == pytest.approx(8.0 / steps * np.sqrt(5 * 1.2257) / 0.1, rel=0.02)
    assert second == pytest.approx(first / 32 * 16 / 1_000, rel=0.02)


@pytest.mark.parametrize("examples", [-1, -(2**40), 1_001])
def test_a_number_of_examples_that_the_plan_does_not_allow_is_refused(examples: int) -> None:
    task = opened(Sized(examples))
    with pytest.raises(BadExamples):
        task.due()


def test_a_round_in_which_nobody_changes_anything_leaves_the_model_as_it_was() -> None:
    """As where a learning rate begins with 0: all that its sum has is rounding."""
    table = RoundTable()
    reports = table.reported(1, Steps(0.0))
    for i in (2, 3, 4, 5):
        table.train(i, Steps(0.0))
    table.play("study/cardio/1")
    assert not any(p.any() for p in table.tasks[1].parameters)
    assert (1, "unchanged", {}) in reports


def test_an_outgrown_round_is_told_also_to_who_stops_just_then() -> None:
    table, told = RoundTable(), list[tuple[int, str, dict[str, Any]]]()
    apps = {i: Steps() for i in table.toy.federation.members}
    for i, app in apps.items():
        table.train(i, app, lambda *said, i=i: told.append(said) if i == 1 else None)
    table.play("study/cardio/1")
    for app in apps.values():
        app.step = 1.0
    table.settle()
    table.open("study/cardio/2")
    table.settle()

    def stop() -> None:
        if model_name(STUDY, 2) in table.disks[1].files:
            raise Crash

    table.disks[1].hook = stop
    table.close("study/cardio/2")
    with pytest.raises(Crash):
        table.settle()
    assert (2, "outgrown", {}) in told
