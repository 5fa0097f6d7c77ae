"""What another app left at a hospital misleads nobody, and neither do damages."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import DamagedFile
from tests.stage.rounds.round_table import RoundTable, Steps

MEMBERS = (1, 2, 3, 4, 5)


class Counting(Steps):
    """An app that counts its fits in an entry of so many numbers, which stays at the hospital."""

    def __init__(self, size: int = 1, kept: str = "seen") -> None:
        super().__init__()
        self.size, self.kept = size, kept
        self.given: list[np.ndarray] = []

    def initial_parameters(self, config: Mapping[str, Any]) -> Any:
        return {"w": np.zeros(3), self.kept: np.zeros(self.size, int)}

    def fit(self, parameters: Any, config: Mapping[str, Any]) -> Any:
        self.given.append(parameters[self.kept])
        return {"w": parameters["w"] + 0.1, self.kept: parameters[self.kept] + 1}, 10, {}

    def evaluate(self, parameters: Any, config: Mapping[str, Any]) -> Any:
        return 0.5, 10, {}


def seated(table: RoundTable, size: int = 1) -> dict[int, Counting]:
    apps = {i: Counting(size) for i in MEMBERS}
    for i, app in apps.items():
        table.train(i, app)
    return apps


def trained() -> RoundTable:
    """A table after one round."""
    table = RoundTable()
    seated(table)
    table.play("study/cardio/1")
    return table


def test_what_stays_at_home_is_there_after_a_restart() -> None:
    table = trained()
    apps = seated(table)
    table.play("study/cardio/2")
    assert [app.given for app in apps.values()] == [[1]] * 5


def test_local_entries_of_another_shape_are_those_of_another_app() -> None:
    table = trained()
    apps = seated(table, 4)
    table.play("study/cardio/2")
    assert all(np.array_equal(app.given[0], np.zeros(4)) for app in apps.values())


@pytest.mark.parametrize(
    ("damaged", "named"),
    [
        ("studies/cardio/model-2.safetensors", "studies/cardio/model-2.safetensors"),
        ("studies/cardio/bounds-2", "studies/cardio/model-2.safetensors"),
        ("studies/cardio/local.safetensors", "studies/cardio/local.safetensors"),
        ("studies/cardio/local.msgpack", "studies/cardio/local.msgpack"),
    ],
)
def test_a_damaged_file_is_named_and_can_be_removed(damaged: str, named: str) -> None:
    table = trained()
    table.play("study/cardio/2")
    table.disks[3].write(damaged, b"damaged")
    with pytest.raises(DamagedFile) as caught:
        table.train(3, Counting())
    said = describe(caught.value, Context(terms=table.terms))
    assert f"{named} in the data folder is damaged: " in said.what
    assert "or remove it and type the same command again" in said.remedy
    table.disks[3].delete(named)
    task = table.train(3, Counting())
    table.play("study/cardio/3")
    assert task.finished == 3
    for i in MEMBERS:
        assert np.array_equal(task.parameters["w"], table.tasks[i].parameters["w"])
