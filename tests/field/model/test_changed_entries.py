"""Entries that are something else after fit than at the beginning."""

from typing import Any

import numpy as np
import pytest
import torch

from participant.errors import BadApp
from tests.stage.models import App, begin, fit
from tests.stage.rounds.round_table import RoundTable

pytestmark = pytest.mark.filterwarnings("ignore")  # of prototypes, and of what is deprecated


CHANGES: dict[str, tuple[Any, Any, str]] = {
    "integers come back as floats": (
        {"b": np.zeros(1), "w": np.array([0, 0, 0])},
        {"b": np.zeros(1), "w": np.array([0.5, 0.5, 0.5])},
        "entry 'w' is 3 float64. In initial_parameters it was 3 int64, and stays at this hospital, "
        "since integers have no average. If it is to be averaged, begin with floats",
    ),
    "a flag comes back as a float": (
        {"b": torch.zeros(1), "w": torch.tensor(True)},
        {"b": torch.zeros(1), "w": torch.tensor(1.0)},
        "entry 'w' is one float32. In initial_parameters it was one bool",
    ),
    "nothing comes back as a tensor": (
        {"b": torch.zeros(1), "w": None},
        {"b": torch.zeros(1), "w": torch.zeros(2)},
        "entry 'w' is 2 float32. In initial_parameters it was of type NoneType",
    ),
    "floats come back as integers": (
        {"w": np.zeros(3)},
        {"w": np.array([1, 2, 3])},
        "entry 0, 'w', is 3 int64 instead of 3 float64",
    ),
    "another dtype": (
        {"w": torch.zeros(3)},
        {"w": torch.zeros(3).double()},
        "entry 0, 'w', has dtype float64 instead of float32. Names, shapes and dtypes must stay",
    ),
    "another shape": (
        {"w": np.zeros((3, 1))},
        {"w": np.zeros(3)},
        r"entry 0, 'w', has shape \(3,\) instead of \(3, 1\)",
    ),
    "another name": ({"w": np.zeros(3)}, {"v": np.zeros(3)}, "entry 0, 'w', is missing"),
    "a sparse tensor": (
        {"w": torch.zeros(3, 3)},
        {"w": torch.eye(3).to_sparse()},
        r"entry 0, 'w', is a sparse coo tensor \(3x3 float32\) instead of 3x3 float32 "
        r"\(make it dense \(to_dense\(\)\)",
    ),
    "an array among tensors": (
        {"w": torch.zeros(3), "v": torch.zeros(3)},
        {"w": torch.zeros(3), "v": np.zeros(3, np.float32)},
        r"entry 1, 'v', is a numpy array \(3 float32\) among torch tensors",
    ),
    "arrays instead of tensors": (
        {"w": torch.zeros(3)},
        {"w": np.zeros(3, np.float32)},
        "it returned a dict of names to numpy arrays instead of a dict of names to torch tensors",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_an_entry_that_changes_after_the_beginning_is_refused_by_name(case: str) -> None:
    first, fitted, reason = CHANGES[case]
    table = RoundTable()
    table.train(1, App(lambda: first, fitted))
    table.settle()
    table.open("study/cardio/1")
    with pytest.raises(BadApp, match=reason) as caught:
        table.due(1)
    assert caught.value.function == "fit"


def test_integers_named_in_local_entries_may_come_back_as_anything() -> None:
    made = {"b": np.zeros(1), "w": np.array([0, 0])}
    task, _ = begin(App(lambda: made, made | {"w": np.array([0.5, 1.5])}, ("w",)))
    fit(task)
    assert np.array_equal(task.parameters["w"], [0.5, 1.5])
