"""Parameters of any model, an app whose model is what it is told, and tensors of other classes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from participant.model.layout import Layout
from participant.model.master import Model
from participant.model.weights import checked
from participant.training.course import StudyCourse
from participant.training.fitting import Change
from participant.training.task import TrainingTask
from tests.simulator.disk import Disk
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.toy import model_secret

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])
ARRAY = FLOATS.flatmap(
    lambda dtype: arrays(
        dtype,
        array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
PARAMETERS = st.lists(ARRAY, min_size=1, max_size=5).filter(lambda ps: any(p.size for p in ps))


def model_of(parameters: Any) -> Model:
    return Model.of(checked(parameters, Layout.of(parameters), "initial_parameters"))


TABLE = RoundTable()


class App(Steps):
    """An app whose model is what a function makes; fit gives the same with other numbers."""

    def __init__(
        self, made: Callable[[], Any], fitted: Any = None, local: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self.made, self.fitted, self.local_entries = made, fitted, local

    def initial_parameters(self, config: Mapping[str, Any]) -> Any:
        return self.made()

    def fit(self, parameters: Any, config: Mapping[str, Any]) -> Any:
        self.fits += 1
        return self.fitted if self.fitted is not None else self.made(), 10, {}

    def evaluate(self, parameters: Any, config: Mapping[str, Any]) -> Any:
        return 0.5, 10, {}


def begin(app: App) -> tuple[StudyCourse, dict[str, Any]]:
    """A hospital's course of a study, and what it says at its start of its entries."""
    said: list[dict[str, Any]] = []

    def report(number: int, event: str, facts: dict[str, Any]) -> None:
        said.extend([facts] if event == "entries" else [])

    task = TrainingTask(
        TABLE.terms, TABLE.study, TABLE.ring(1), app, Disk(), model_secret(1), report
    )
    task.begin(TABLE.board)
    (facts,) = said
    return task._known, facts


def fit(course: StudyCourse) -> Change:
    """What the app changes in a round."""
    assert course.fitter.has_fitted(1, course._standing.model)
    return course.fitter._fit(1, course._standing.model)[0]


def expected(entry: Any) -> np.ndarray:
    """An entry's numbers one after the other."""
    if isinstance(entry, torch.Tensor):
        plain = entry.detach().as_subclass(torch.Tensor).resolve_neg()
        return np.array(plain.double().reshape(-1).tolist())
    return np.asarray(entry).astype(np.float64).reshape(-1)


class Own(torch.Tensor):
    """A sub-class with its own behaviour and an own storage, as libraries of images have it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("view", "double", "isfinite"):
            raise RuntimeError("not with me")
        return super().__torch_function__(func, types, args, kwargs or {})


class Wrapper(torch.Tensor):
    """A tensor that keeps its numbers elsewhere, as distributed and quantised ones do."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise NotImplementedError("no numbers here")


class Answering(Wrapper):
    """A wrapper that answers whatever it is asked, from elsewhere."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        inner = [a.inner if isinstance(a, Answering) else a for a in args]
        found = func(*inner, **(kwargs or {}))
        return cls(found) if isinstance(found, torch.Tensor) else found
