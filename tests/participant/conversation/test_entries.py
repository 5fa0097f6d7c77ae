"""A model comes over as it was: arrays, tensors, plain values, and what stays with the app."""

import json
import sys
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from participant.conversation.entries import parameters_in, parameters_said
from participant.conversation.messages import EntrySaid
from participant.conversation.tensors import read_tensors
from participant.model import AtHome, Elsewhere, Unfit
from participant.model.layout import Layout
from protocol.errors import Malformed
from quorate_client.entries import tensor_of


def over(entries: dict[str, Any], form: str = "dict") -> Any:
    """What is on the other side of a conversation."""
    said, pieces = parameters_said(entries)
    heads = msgspec.convert(json.loads(json.dumps(said["entries"])), tuple[EntrySaid, ...])
    return parameters_in(form, heads, read_tensors(memoryview(bytearray(b"".join(pieces)))))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.float32(3),
        np.zeros((0, 2)), np.arange(3, dtype=">f4"),
        np.array([1.5], np.float16), np.arange(4, dtype=np.uint8),
        np.array([True, False]), np.arange(8.0)[::2], np.array([1j], np.complex64),
    ],
)  # fmt: skip
def test_arrays_come_over(array: Any) -> None:
    found = over({"w": array})["w"]
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, array)
    assert found.dtype.name == np.asarray(array).dtype.name
    assert found.flags.writeable


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3).T, torch.zeros(0, 2),
        torch.tensor(3, dtype=torch.int64), torch.arange(3).to(torch.bfloat16),
        torch.nn.Parameter(torch.ones(2)), torch.tensor([True]), torch.ones(2, dtype=torch.float16),
    ],
)  # fmt: skip
def test_tensors_come_over(tensor: Any) -> None:
    found = over({"w": tensor})["w"]
    assert isinstance(found, torch.Tensor)
    assert torch.equal(found, tensor)
    assert found.dtype == tensor.dtype


@pytest.mark.parametrize("value", [3, "text", None, True, b"\0\xff", [1, ["a"]], {"a": 1.5}])
def test_plain_values_come_over(value: Any) -> None:
    assert over({"extra": value})["extra"] == value


def test_a_list_stays_one_in_order() -> None:
    found = over({f"parameter_{k}": np.full(k + 1, k) for k in range(12)}, "list")
    assert [len(one) for one in found] == list(range(1, 13))


def test_the_order_of_names_is_the_apps() -> None:
    assert list(over({"z": np.zeros(1), "a": np.zeros(1, np.float32)})) == ["z", "a"]


class Own:
    """Of the app's."""


@pytest.mark.parametrize(
    ("entry", "fate", "is_tensor"),
    [
        (Own(), AtHome("of type Own", "it is no array and no tensor"), False),
        (np.array(["a"]), AtHome("1 str32", "texts and times have no average"), False),
        (torch.ones(2).to_sparse(), Unfit, True),
        (np.ma.masked_array([1.0], [True]), Unfit, False),
        ({"w": np.zeros(2)}, Unfit, False),
        (torch.empty(2, device="meta"), Unfit, True),
    ],
)
def test_of_what_stays_with_the_app_its_fate_comes_over(
    entry: Any, fate: Any, is_tensor: bool
) -> None:
    found = over({"w": entry})["w"]
    assert isinstance(found, Elsewhere)
    assert found.is_tensor == is_tensor
    assert isinstance(found.fate, fate) if isinstance(fate, type) else found.fate == fate


def test_the_layout_of_a_model_is_the_same_on_both_sides() -> None:
    entries = {"w": torch.ones(2, 3), "n": torch.tensor(1), "x._extra_state": Own(), "own": Own()}
    assert Layout.of(over(entries)) == Layout.of(entries)


def test_an_array_is_none_of_torch_while_another_thread_imports_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.arange(3.0)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    said, _ = parameters_said({"w": values, "n": np.arange(3)})
    assert [one["tensor"] for one in said["entries"]] == [False, False]
    assert not tensor_of("w", values).is_torch


def entry(**facts: Any) -> tuple[EntrySaid, ...]:
    return (EntrySaid("w", **facts),)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (entry(), "entry 'w' has no values"),
        (entry() * 2, "has no values"),
        (entry(at="app") * 2, "is there twice"),
        (entry(at="value", value="?"), "has no value"),
        (entry(at="value", value="kw=="), "has no value"),
    ],
)
def test_entries_without_values_are_refused(entries: Any, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parameters_in("dict", entries, {})


def test_values_without_entries_and_arrays_that_numpy_has_not_are_refused() -> None:
    _, pieces = parameters_said({"w": torch.ones(2, dtype=torch.bfloat16)})
    values = read_tensors(memoryview(b"".join(pieces)))
    with pytest.raises(Malformed, match="other entries"):
        parameters_in("dict", (), values)
    with pytest.raises(Malformed, match="BF16"):
        parameters_in("dict", entry(tensor=False), values)
