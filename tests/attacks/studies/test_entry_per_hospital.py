"""A plan whose sums have an entry for each hospital: every rule holds, and each hospital is shown.

Source: our own. No rule sees what an app's numbers mean, so people have to: ``show`` says it of
every plan, with all labels, and nobody approves an app that the plan leaves open by mistake.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from participant.cli.views.plan import plan_lines
from participant.errors import UnpinnedApp
from participant.study.tasks import ApprovalTask
from protocol.board.study import Study
from protocol.messages.plan import Approval
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import proposal, statistic_study, training_study

FIVE = (1, 2, 3, 4, 5)


class EachItsOwn(Steps):
    """Adds the hospital's secret to one entry of the model, and nothing to the others'."""

    def __init__(self, index: int, secret: float) -> None:
        super().__init__()
        self.index, self.secret = index, secret

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(len(FIVE))]

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        (own,) = parameters
        own[self.index - 1] += self.secret
        return [own], 10, {}


def secret_of(index: int) -> float:
    return index * 0.37


def test_every_rule_holds_and_each_hospital_is_shown() -> None:
    table = RoundTable()
    seated = {i: table.train(i, EachItsOwn(i, secret_of(i))) for i in FIVE}
    table.play()
    assert not table.view("study/cardio/1").refusals
    (average,) = seated[1].parameters
    np.testing.assert_allclose(average * len(FIVE), [secret_of(i) for i in FIVE], atol=1e-3)


def shown(study: Study) -> str:
    return " ".join(" ".join(plan_lines(study)).split())


def test_what_is_shown_of_a_plan_says_that_no_rule_can_see_it() -> None:
    said = shown(training_study(RoundTable().terms))
    assert "An app that has an entry of its own for each hospital would show that hospital" in said
    assert "no rule can see that" in said
    assert "NOT PINNED" in said
    assert "--unpinned" in said


def test_all_labels_of_a_statistic_are_shown_with_what_they_can_hide() -> None:
    table = RoundTable()
    labels = tuple(f"mean age at H{i}" for i in FIVE)
    said = shown(statistic_study(table.terms, len(FIVE), labels=labels))
    assert all(label in said for label in labels)
    assert "A number that only one hospital has, and all others give as 0" in said


def approving(unpinned: bool, app: bytes = b"") -> ApprovalTask:
    table = RoundTable()
    study = training_study(table.terms, "open", app=app)
    table.say(1, proposal(study))
    task = ApprovalTask(table.terms, 1, "open", table.disks[1], unpinned=unpinned)
    table.seat(1, task)
    return task


def test_nobody_approves_an_app_that_the_plan_leaves_open_by_mistake() -> None:
    with pytest.raises(UnpinnedApp):
        approving(unpinned=False).due()
    draft = approving(unpinned=True).due()
    assert draft is not None
    assert isinstance(draft.body, Approval)
