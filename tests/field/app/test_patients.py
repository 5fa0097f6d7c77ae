"""A hospital without patients in a round: it adds nothing, and the round is everybody's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.stage.rounds.round_table import RoundTable, Steps


class Nobody(Steps):
    """An app that finds so many examples, in numpy's words, and changes the model all the same."""

    def __init__(self, none: Any) -> None:
        super().__init__(7.0)
        self.none = none

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        return super().fit(parameters, config)[0], self.none, {}


@pytest.mark.parametrize("none", [0, np.int64(0)], ids=repr)
def test_it_abstains_and_helps_to_decrypt(none: Any) -> None:
    table, app = RoundTable(), Nobody(none)
    tasks = [table.train(i, Steps(0.5)) for i in (1, 2, 3, 4)]
    tasks.append(table.train(5, app))
    table.play("study/cardio/1")
    view = table.view("study/cardio/1")
    assert sorted(view.contributions) == [1, 2, 3, 4]
    assert 5 in view.locks
    assert 5 in view.partials
    assert app.fits == 1
    for task in tasks:
        assert task.finished == 1
        np.testing.assert_allclose(task.parameters[0], 0.5, atol=1e-3)


def test_it_contributes_as_soon_as_it_has_some() -> None:
    table, app = RoundTable(), Nobody(0)
    for i in (1, 2, 3, 4):
        table.train(i, Steps(0.5))
    table.train(5, app)
    table.play("study/cardio/1")
    app.none = 10
    table.play("study/cardio/2")
    assert sorted(table.view("study/cardio/2").contributions) == [1, 2, 3, 4, 5]
