"""Weights are read a slice at a time, and checked against the round's layout."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from participant.errors import BadApp
from participant.model.layout import Layout
from participant.model.weights import SLICE, Weights, checked
from tests.stage.models import PARAMETERS


def weights_of(parameters: Any) -> Weights:
    return checked(parameters, Layout.of(parameters), "fit")


@given(PARAMETERS, st.data())
def test_a_slice_is_that_of_all_entries_one_after_the_other(
    parameters: list[np.ndarray], data: st.DataObject
) -> None:
    weights = weights_of(parameters)
    whole = np.concatenate([p.astype(np.float64).reshape(-1) for p in parameters])
    assert len(weights) == len(whole)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    found = weights.slice(start, stop)
    assert found.dtype == np.float64
    assert found.tobytes() == whole[start:stop].tobytes()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_tensors_are_read_whatever_their_strides(dtype: torch.dtype) -> None:
    plain = torch.arange(24.0).reshape(2, 3, 4).to(dtype)
    state = {
        "plain": plain,
        "turned": plain.permute(2, 0, 1),
        "every other": plain[:, :, ::2],
        "trained": torch.nn.Parameter(plain.transpose(0, 1)),
        "one": torch.tensor(0.5, dtype=dtype),
    }
    expected = torch.cat([t.detach().double().reshape(-1) for t in state.values()]).numpy()
    weights = weights_of(state)
    assert np.array_equal(weights.slice(0, len(weights)), expected)
    assert np.array_equal(weights.slice(20, 50), expected[20:50])


def test_arrays_are_read_whatever_their_strides_and_byte_order() -> None:
    plain = np.arange(24.0).reshape(4, 6)
    weights = weights_of({"turned": plain.T, "other": plain[:, ::2], "big-endian": plain[0] + 0})
    swapped = Weights(weights.layout, (*weights.entries[:2], plain[0].astype(">f8")))
    expected = np.concatenate([plain.T.reshape(-1), plain[:, ::2].reshape(-1), plain[0]])
    assert np.array_equal(weights.slice(3, 40), expected[3:40])
    assert np.array_equal(swapped.slice(3, 40), expected[3:40])


def test_a_slice_of_a_large_array_costs_the_slice() -> None:
    parameters = [np.zeros((2_000, 1_000)).T]
    tracemalloc.start()
    try:
        weights = weights_of(parameters)
        weights.slice(1_000, 2_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * SLICE * 8 < parameters[0].nbytes


def test_a_weight_is_known_by_its_entry() -> None:
    weights = weights_of({"a": np.zeros(2), "b": np.zeros((2, 2))})
    layout = weights.layout
    assert [layout.names[layout.entry_at(k)] for k in (0, 1, 2, 5)] == ["a", "a", "b", "b"]


ROUND = {"conv1.weight": np.zeros((3, 5)), "conv1.bias": np.zeros(3, np.float32)}
SAME = dict(ROUND)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({**SAME, "conv1.weight": np.zeros((3, 3))},
         r"entry 0, 'conv1.weight', has shape \(3, 3\) instead of \(3, 5\)"),
        ({**SAME, "conv1.bias": np.zeros(3)},
         "entry 1, 'conv1.bias', has dtype float64 instead of float32"),
        ({"conv1.weight": np.zeros((3, 5))}, "entry 1, 'conv1.bias', is missing"),
        ({**SAME, "fc.bias": np.zeros(1)}, "entry 'fc.bias' is not in the model"),
        ({"conv1.weights": np.zeros((3, 3))}, "entry 0, 'conv1.weight', is missing"),
        (list(SAME.values()), "a list of numpy arrays instead of a dict of names to numpy arrays"),
        ({k: torch.tensor(v) for k, v in SAME.items()}, "a dict of names to torch tensors instead"),
        ({**SAME, "conv1.bias": np.array([0, np.nan, 0], np.float32)},
         "entry 1, 'conv1.bias', holds NaN or infinity"),
    ],
)  # fmt: skip
def test_the_first_difference_from_the_rounds_model_is_named(answer: Any, reason: str) -> None:
    with pytest.raises(BadApp, match=reason) as caught:
        checked(answer, Layout.of(ROUND), "fit")
    assert caught.value.function == "fit"


def test_numpys_scalars_are_arrays_without_dimensions() -> None:
    bias = np.zeros(()) + 0.5  # numpy makes a scalar of it
    assert isinstance(bias, np.generic)
    assert checked([bias], Layout.of([np.zeros(())]), "fit").slice(0, 1) == [0.5]


def test_entries_may_come_in_another_order() -> None:
    turned = dict(reversed(ROUND.items()))
    turned["conv1.bias"] = np.array([1, 2, 3], np.float32)
    assert np.array_equal(checked(turned, Layout.of(ROUND), "fit").slice(15, 18), [1, 2, 3])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_nan_and_infinity_are_named_wherever_they_are(bad: float, dtype: torch.dtype) -> None:
    state = {"a": torch.zeros(SLICE), "b": torch.zeros(SLICE // 2, 3, dtype=dtype)}
    layout = Layout.of(state)
    state["b"][-1, -1] = bad
    with pytest.raises(BadApp, match="entry 1, 'b', holds NaN or infinity"):
        checked(state, layout, "fit")


def test_local_entries_are_not_checked() -> None:
    parameters = {"a": np.zeros(2), "mean": np.zeros(3), "count": np.zeros((), int)}
    layout = Layout.of(parameters, ["mean"])
    assert len(checked(parameters | {"mean": np.array([np.nan])}, layout, "fit")) == 2
    assert len(checked({"a": np.zeros(2)}, layout, "fit")) == 2
