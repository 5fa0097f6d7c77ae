"""What a model is made of, as its app returns it."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from participant.errors import BadApp
from participant.model.layout import Layout
from protocol.messages.fields import MAX_LENGTH


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1).bfloat16()
    )


def test_arrays_of_a_list_are_named_by_their_number() -> None:
    layout = Layout.of([np.zeros((2, 3)), np.zeros(4, np.float32)])
    assert layout.names == ("parameter_0", "parameter_1")
    assert layout.shapes == ((2, 3), (4,))
    assert layout.dtypes == ("float64", "float32")
    assert (layout.kind, layout.weights) == ("list", 10)


def test_a_state_dict_keeps_its_order_and_its_counters_at_home() -> None:
    state = network().state_dict()
    layout = Layout.of(state)
    assert layout.local == ("1.num_batches_tracked",)
    assert layout.names == tuple(name for name in state if name not in layout.local)
    assert layout.dtypes[-2:] == ("bfloat16", "bfloat16")
    assert layout.weights == 3 * 4 + 4 + 4 * 4 + 4 + 1


def test_entries_that_the_app_names_stay_at_home() -> None:
    layout = Layout.of(network().state_dict(), ["*.running_mean", "0.bias"])
    assert layout.local == ("0.bias", "1.running_mean", "1.num_batches_tracked")
    assert "1.running_var" in layout.names


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    # A misspelt one would give away what was to stay at home.
    with pytest.raises(BadApp, match=r"no entry is called '\*\.runing_mean'"):
        Layout.of(network().state_dict(), ["*.runing_mean"])


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (None, "a list of numpy arrays, or a dict of names to numpy arrays, or"),
        (np.zeros(3), "it must return"),
        ([], "no parameters"),
        ({}, "no parameters"),
        (
            [np.zeros(2), [0.0]],
            "entry 1, 'parameter_1', is a list that holds numbers: make an entry of each",
        ),
        (
            [np.zeros(2), torch.zeros(2)],
            "entry 1, 'parameter_1', is a torch tensor: a list holds numpy arrays",
        ),
        (
            {"a": torch.zeros(2), "b": np.zeros(2)},
            "entry 1, 'b', is a numpy array .* among torch tensors",
        ),
        ({3: np.zeros(2)}, "entry 0 cannot be called 3"),
        ({"__metadata__": np.zeros(2)}, "entry 0 cannot be called '__metadata__'"),
        ([np.zeros(2, int)], "entry 0, 'parameter_0', is 2 int64: in a list of arrays"),
        ({"a": np.zeros(2, complex)}, "entry 0, 'a', is of dtype complex128"),
        (
            {"a": torch.zeros(2, dtype=torch.complex64)},
            "is of dtype complex64: average real and imaginary parts",
        ),
        ({"a": np.zeros(2, object)}, "is of dtype object: float64"),
        ({"a": np.zeros(2, int)}, "no entry holds floats"),
    ],
)
def test_what_is_no_model_is_refused_by_entry(parameters: Any, reason: str) -> None:
    with pytest.raises(BadApp, match=reason) as caught:
        Layout.of(parameters)
    assert caught.value.function == "initial_parameters"


def test_a_model_of_more_weights_than_a_round_can_have_is_refused_with_a_remedy() -> None:
    most = np.broadcast_to(np.float32(0), (1 << 15, 1 << 15))  # which takes no memory
    assert Layout.of([most]).weights == MAX_LENGTH
    with pytest.raises(BadApp, match=r"are the most\. Keep some at this hospital"):
        Layout.of([most, np.zeros(1)])


def test_parts_of_entries_are_found_across_their_borders() -> None:
    layout = Layout.of([np.zeros(3), np.zeros((0, 2)), np.zeros(()), np.zeros((2, 2))])
    assert list(layout.pieces(0, 8)) == [(0, 0, 3), (2, 0, 1), (3, 0, 4)]
    assert list(layout.pieces(2, 5)) == [(0, 2, 3), (2, 0, 1), (3, 0, 1)]
    assert list(layout.pieces(8, 8)) == []
    assert [layout.entry_at(k) for k in range(8)] == [0, 0, 0, 2, 3, 3, 3, 3]


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (2, 1), (0, 4)])
def test_weights_that_are_not_there_are_refused(start: int, stop: int) -> None:
    with pytest.raises(IndexError):
        list(Layout.of([np.zeros(3)]).pieces(start, stop))


def test_torch_is_imported_only_by_an_app_that_does() -> None:
    code = """
import sys
import numpy as np
import participant.cli
from participant.model.layout import Layout
from participant.model.master import Model
from participant.model.weights import checked
from tests.simulator.disk import Disk
from participant.model.local_entries import LocalEntries

parameters = {"a": np.zeros(3), "n": np.array(1)}
layout = Layout.of(parameters)
local = LocalEntries(layout, parameters, Disk(), "s")
local.keep(parameters)
Model.of(checked(parameters, layout, "fit")).to_app(local.entries)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
