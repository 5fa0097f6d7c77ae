"""The master copy: exact, more precise than half, and named by its hash."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given

from participant.model.layout import Layout
from participant.model.master import Model
from participant.model.weights import SLICE, checked
from protocol.encoding import digest, encode
from tests.stage.models import PARAMETERS, model_of


@given(PARAMETERS)
def test_an_app_gets_back_what_it_returned(parameters: list[np.ndarray]) -> None:
    for given_back in (
        model_of(parameters).to_app({}),
        list(model_of({str(k): p for k, p in enumerate(parameters)}).to_app({}).values()),
    ):
        assert len(given_back) == len(parameters)
        for found, expected in zip(given_back, parameters, strict=True):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert found.tobytes() == expected.tobytes()


def test_a_network_of_all_precisions_gets_back_its_state() -> None:
    network = torch.nn.Sequential(
        torch.nn.Linear(3, 4).double(), torch.nn.BatchNorm1d(4),
        torch.nn.Linear(4, 2).half(), torch.nn.Linear(4, 2).bfloat16(),
        torch.nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
    )  # fmt: skip
    state = network.state_dict()
    given_back = model_of(state).to_app({"1.num_batches_tracked": torch.tensor(7)})
    assert given_back.keys() == state.keys()
    for name, tensor in state.items():
        if name != "1.num_batches_tracked":
            assert given_back[name].dtype == tensor.dtype
            assert torch.equal(given_back[name], tensor), name
    network.load_state_dict(given_back)
    assert network[1].num_batches_tracked == 7


@pytest.mark.parametrize("parameters", [[np.zeros(3)], {"a": np.zeros(3)}, {"a": torch.zeros(3)}])
def test_an_app_cannot_change_the_master(parameters: Any) -> None:
    model = model_of(parameters)
    before = model.digest
    for _ in range(2):
        given_back = model.to_app({})
        for entry in given_back if isinstance(given_back, list) else given_back.values():
            assert not entry.any()
            entry[:] = 9
    for entry in parameters if isinstance(parameters, list) else parameters.values():
        entry[:] = 9
    assert not model.weights.slice(0, 3).any()
    assert Model(model.layout, model.entries).digest == before


def test_local_entries_of_a_list_are_put_where_they_were() -> None:
    parameters = [np.zeros(1), np.ones(2), np.full(3, 2.0)]
    model = Model.of(checked(parameters, Layout.of(parameters, ["parameter_1"]), "fit"))
    assert [len(p) for p in model.to_app({"parameter_1": parameters[1]})] == [1, 2, 3]


def test_what_an_app_is_given_is_the_master_rounded_to_its_dtypes() -> None:
    state: dict[str, torch.Tensor] = {
        "a": torch.zeros(2_000, dtype=torch.float16),
        "b": torch.zeros(2_000, dtype=torch.bfloat16),
        "c": torch.zeros(2_000),
        "d": torch.zeros(2_000, dtype=torch.float64),
    }
    layout = Layout.of(state)
    values = np.random.default_rng(1).normal(size=(4, 2_000)) * np.geomspace(1e-6, 1e3, 2_000)
    ties = 1 + np.arange(2_000) / 512  # some half-way between two bfloat16 numbers
    values[1, :1_000] = ties[:1_000]
    entries = [row.astype(m) for row, m in zip(values, layout.masters, strict=True)]
    model = Model(layout, tuple(entries))
    given_back = torch.cat([t.double() for t in model.to_app({}).values()]).numpy()
    assert np.array_equal(model.given.slice(0, 8_000), given_back)
    assert np.array_equal(model.weights.slice(0, 8_000), np.concatenate(entries))
    assert (model.given.slice(0, 4_000) != model.weights.slice(0, 4_000)).any()


GIVEN = {"w": np.array([[1.5, -2.0], [0.0, 3.25]], np.float16), "b": np.array([1e-3])}


def test_a_digest_is_that_of_layout_and_exact_values() -> None:
    model = model_of(GIVEN)
    described = encode([["w", "b"], [[2, 2], [1]], ["float16", "float64"]])
    values = GIVEN["w"].astype("<f4").tobytes() + GIVEN["b"].astype("<f8").tobytes()
    assert model.digest == digest("quorate/model", described, values)
    known = "5bc8d7e9f057baacb698e71883c55f70710d8b86dee9abd6bc977fe26d3b1452"
    assert model.digest.hex() == known


def test_a_digest_does_not_depend_on_slices_or_on_who_holds_the_numbers() -> None:
    values = np.random.default_rng(2).normal(size=SLICE + 3).astype(np.float32)
    model = model_of({"a": values})
    described = encode([["a"], [[SLICE + 3]], ["float32"]])
    assert model.digest == digest("quorate/model", described, values.tobytes())
    assert model_of({"a": torch.from_numpy(values)}).digest == model.digest


@pytest.mark.parametrize(
    "other",
    [
        {"w": GIVEN["w"], "c": GIVEN["b"]},
        {"b": GIVEN["b"], "w": GIVEN["w"]},
        {"w": GIVEN["w"].reshape(4), "b": GIVEN["b"]},
        {"w": GIVEN["w"].astype(np.float32), "b": GIVEN["b"]},
        {"w": -GIVEN["w"] * -1 - 0.0, "b": -GIVEN["b"]},
    ],
)
def test_another_name_order_shape_dtype_or_value_is_another_digest(other: Any) -> None:
    assert model_of(other).digest != model_of(GIVEN).digest


def test_no_number_of_a_model_shows_in_a_repr() -> None:
    array = np.full(3, 123.5)
    layout = Layout.of([array])
    weights = checked([array], layout, "fit")
    assert "123.5" not in repr(weights) + repr(Model.of(weights))
