"""Any state_dict at all: averaged exactly, kept at home and said, or refused by name."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from participant.errors import BadApp
from protocol.messages.rounds import Contribution
from tests.stage.models import App, Own, Wrapper, begin, expected, fit
from tests.stage.rounds.round_table import RoundTable

pytestmark = pytest.mark.filterwarnings("ignore")  # of prototypes, and of what is deprecated


DTYPES = sorted(
    {d for d in vars(torch).values() if isinstance(d, torch.dtype)}, key=str
)  # fmt: skip


SHAPES = st.lists(st.integers(0, 3), max_size=3)


def of_dtype(dtype: torch.dtype, shape: list[int]) -> Any:
    """A tensor of some numbers, or None where torch makes none of this dtype here."""
    try:
        return (torch.arange(float(np.prod(shape, dtype=int))).reshape(shape) / 7 - 0.5).to(dtype)
    except (RuntimeError, NotImplementedError, TypeError):
        try:
            return torch.empty(shape, dtype=dtype)
        except (RuntimeError, NotImplementedError, TypeError):
            return None


CHANGED: dict[str, Callable[[torch.Tensor], Any]] = {
    "as it is": lambda t: t,
    "turned": lambda t: t.permute(*reversed(range(t.dim()))),
    "every other": lambda t: t[..., ::2] if t.dim() else t,
    "expanded": lambda t: t.expand(2, *t.shape),
    "a parameter": torch.nn.Parameter,
    "sub-class": lambda t: t.as_subclass(Own),
    "wrapped": Wrapper,
    "sparse": lambda t: t.to_sparse(),
    "meta": lambda t: t.to("meta"),
    "nested": lambda t: torch.nested.nested_tensor([t, t]),
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.5, 0, torch.quint8),
    "negated": lambda t: torch._neg_view(t) if t.is_floating_point() else t,
    "numpy": lambda t: t.numpy(),
    "in a list": lambda t: [t],
}


@st.composite
def state_dicts(draw: st.DrawFn) -> dict[str, Any]:
    """One plain entry, and a few of any dtype and kind; some tied."""
    state: dict[str, Any] = {"plain": torch.zeros(2)}
    for k in range(draw(st.integers(1, 4))):
        tensor = of_dtype(draw(st.sampled_from(DTYPES)), draw(SHAPES))
        if tensor is None:
            continue
        try:
            state[f"e{k}"] = CHANGED[draw(st.sampled_from(sorted(CHANGED)))](tensor)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            state[f"e{k}"] = tensor
        if draw(st.booleans()):
            state[f"tied{k}"] = state[f"e{k}"]
    return state


def contributed(state: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """A round at one hospital, up to what it encrypts."""
    task, facts = begin(App(lambda: state))
    change = fit(task)
    return change.fitted.slice(0, len(change)), facts


def one_of_three(state: dict[str, Any]) -> None:
    try:
        values, facts = contributed(state)
    except BadApp as error:
        reason = error.reason
    else:
        reason = ""
    if reason:
        assert any(f"{name!r}, " in reason for name in state)
        return
    averaged = [one["name"] for one in facts["averaged"]]
    assert sorted(averaged + [one["name"] for one in facts["at_home"]]) == sorted(state)
    assert np.array_equal(values, np.concatenate([expected(state[n]) for n in averaged]))
    for one in facts["at_home"]:
        assert "int" in one["what"] or "bool" in one["what"]
    for name in averaged:
        assert state[name].dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    assert "plain" in averaged


@settings(max_examples=60, deadline=None)
@given(state_dicts())
def test_any_state_dict_is_averaged_exactly_kept_and_said_or_refused(state: dict[str, Any]) -> None:
    one_of_three(state)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(state_dicts())
def test_any_of_thousands_of_state_dicts_is_one_of_three(state: dict[str, Any]) -> None:
    one_of_three(state)


def test_a_round_of_odd_tensors_gives_everybody_the_exact_average() -> None:
    table = RoundTable()
    steps = {i: 2.0**-i for i in table.toy.federation.members}

    class Odd(App):
        def __init__(self, step: float) -> None:
            super().__init__(odd)
            self.step = step

        def fit(self, parameters: Any, config: Mapping[str, Any]) -> Any:
            changed = {
                n: t + self.step if torch.is_tensor(t) and t.is_floating_point() else t
                for n, t in parameters.items()
            }
            return changed | {"0._extra_state": b"%d" % int(1 / self.step)}, 10, {}

    tasks = {i: table.train(i, Odd(steps[i])) for i in steps}
    table.play("study/cardio/1")
    mean = sum(steps.values()) / len(steps)
    for i, task in tasks.items():
        found = task.parameters
        for name in ("turned", "one", "double"):
            np.testing.assert_allclose(found[name].double() - odd()[name].double(), mean, atol=1e-3)
        assert found["0._extra_state"] == b"%d" % 2**i
        assert torch.equal(found["seen"], torch.tensor(3))
    assert isinstance(table.view("study/cardio/1").contributions[1].post.body, Contribution)


def odd() -> dict[str, Any]:
    return {
        "turned": torch.arange(6.0).reshape(2, 3).T,
        "one": torch.tensor(0.5),
        "double": torch.tensor([0.1]).double(),
        "none": torch.zeros(0, 2),
        "seen": torch.tensor(3),
        "0._extra_state": b"",
    }
