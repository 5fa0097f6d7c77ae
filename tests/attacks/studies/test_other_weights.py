"""One model, trained once by numbers of examples and once with all hospitals alike.

Source: our own. n_1·u_1 + n_2·u_2 + n_3·u_3 and u_1 + u_2 + u_3 are sums of one row, so that they
differ by nobody, and two equations. Who is one of the three, and knows how many examples the two
others have, solves them for both updates. So a hospital adds to one of the two alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from participant.cli.views.plan import plan_lines
from participant.rounds.task import DecryptionTask
from participant.training import course
from participant.training.starts import Alike, alike_before
from participant.training.task import TrainingTask
from tests.stage.handover.tables import table_after
from tests.stage.rounds.round_table import Events, KeyedTable, RoundTable, Steps
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch

TERMS = toy_epoch().federation.terms
MEMBERS = (1, 2, 3)  # of which the last one colludes
EXAMPLES = {1: 10, 2: 25, 3: 40}
UPDATES = {1: 0.125, 2: 0.75, 3: -0.25}
EQUAL: dict[str, Any] = {"weights": "equal", "max_examples": 1}


class Counting(Steps):
    """Each hospital has its own update, of its own number of examples.

    apart: how far from 0 each weight begins.
    """

    def __init__(self, index: int, apart: float) -> None:
        super().__init__(UPDATES[index])
        self.examples, self.apart = EXAMPLES[index], apart

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [p + p.dtype.type(self.apart) for p in super().initial_parameters(config)]

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        fitted, _, metrics = super().fit(parameters, config)
        return fitted, self.examples, metrics


def train(at: RoundTable | None, name: str, apart: float, **plan: Any) -> tuple[RoundTable, Events]:
    """A study's first round, as far as it goes; the two others help to open it."""
    terms = at.terms if at else TERMS
    study, events = training_study(terms, name, members=MEMBERS, **plan), Events()
    table = RoundTable(study=study, at=at)
    for i in MEMBERS:
        table.train(i, Counting(i, apart), lambda *said: events.append(said))
    table.settle()
    table.open(table.session(1))
    for i in (4, 5):
        place = table.terms, table.study, 1, table.ring(i), table.disks[i]
        table.seat(i, DecryptionTask(*place, lambda question: True))
    table.settle()
    if table.view(table.session(1)).contributions.keys() == {*MEMBERS}:
        table.close(table.session(1))
        table.settle()
    return table, events


def change(table: RoundTable) -> float:
    """By how much the average changes a weight, as the colluder learns it."""
    task = table.tasks[3]
    assert isinstance(task, TrainingTask)
    assert task.finished == 1
    return float(task.parameters[1][0])


def twice(plan: dict[str, Any], other: dict[str, Any], apart: float = 0.0) -> tuple[Any, ...]:
    first, _ = train(None, "cardio", 0.0, **plan)
    averages = [change(first)]
    first.tasks.clear()
    second, events = train(first, "tumours", apart, **other)
    return averages, second, events


@pytest.mark.parametrize("apart", [0.0, 1e-6])
@pytest.mark.parametrize(("plan", "other"), [({}, EQUAL), (EQUAL, {})])
def test_a_hospital_adds_to_sums_of_one_weighting_alone(
    plan: dict[str, Any], other: dict[str, Any], apart: float
) -> None:
    _, table, events = twice(plan, other, apart)
    assert not table.view("study/tumours/1").contributions
    facts = {"studies": ["cardio"]}
    assert [e for e in events if e[1] == "weighed-otherwise"] == 3 * [
        (1, "weighed-otherwise", facts)
    ]


@pytest.mark.parametrize(("plan", "other"), [({}, "equal"), (EQUAL, "examples")])
def test_who_approves_a_plan_is_told(plan: dict[str, Any], other: str) -> None:
    said = " ".join(" ".join(plan_lines(training_study(TERMS, "cardio", **plan))).split())
    assert f'has added to a study with weights = "{other}", from the same model' in said


def test_from_another_model_it_adds_to_both() -> None:
    _, table, _ = twice({}, EQUAL, apart=100.0)
    assert change(table) == pytest.approx(100 + sum(UPDATES.values()) / 3, abs=1e-3)


def test_of_one_weighting_it_adds_to_both() -> None:
    _, table, _ = twice(EQUAL, EQUAL)
    assert change(table) == pytest.approx(sum(UPDATES.values()) / 3, abs=1e-3)


def after_a_handover(
    plan: dict[str, Any], other: dict[str, Any], apart: float = 0.0
) -> tuple[RoundTable, Events]:
    """The first study is of the federation before; H1 and H2 have each other's numbers now."""
    first, _ = train(KeyedTable(), "first", 0.0, **plan)
    return train(table_after(first, [2, 1, 3, 4, 5]), "tumours", apart, **other)


@pytest.mark.parametrize("apart", [0.0, 1e-6])
def test_it_is_known_of_the_federation_before(apart: float) -> None:
    table, events = after_a_handover({}, EQUAL, apart)
    assert not table.view("study/tumours/1").contributions
    facts = {"studies": ["first/1 (taken over, 1)"]}
    assert [e for e in events if e[1] == "weighed-otherwise"] == 3 * [
        (1, "weighed-otherwise", facts)
    ]


def test_from_another_model_it_adds_to_both_before_and_after() -> None:
    table, _ = after_a_handover({}, EQUAL, apart=100.0)
    assert change(table) == pytest.approx(100 + sum(UPDATES.values()) / 3, abs=1e-3)


def test_of_one_weighting_it_adds_to_both_before_and_after() -> None:
    table, _ = after_a_handover(EQUAL, EQUAL)
    assert change(table) == pytest.approx(sum(UPDATES.values()) / 3, abs=1e-3)


def test_where_it_adds_to_both_two_updates_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def near_alone(*place: Any) -> Alike:
        return Alike(alike_before(*place).near)

    monkeypatch.setattr(course, "alike_before", near_alone)
    averages, table, _ = twice({}, EQUAL)
    n, own = EXAMPLES, UPDATES[3]
    sums = [averages[0] * sum(n.values()) - n[3] * own, change(table) * 3 - own]
    solved = np.linalg.solve([[n[1], n[2]], [1, 1]], sums)
    np.testing.assert_allclose(solved, [UPDATES[1], UPDATES[2]], atol=1e-3)
