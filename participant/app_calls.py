"""The user's model and the calls to it: what it is given, and what it answers, checked."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from participant.errors import BadApp
from protocol.encoding import digest
from protocol.terms import Terms

Config = dict[str, Any]


class App(Protocol):
    """The user's model: the functions of a Flower client.

    Parameters are a list of numpy arrays, or a dict of names to arrays or torch tensors. Where it
    has an attribute ``local_entries``, entries whose names match its patterns are not averaged.
    """

    def initial_parameters(self, config: Config) -> Any:
        """The model before the first round, the same at every hospital that has the same config."""

    def fit(self, parameters: Any, config: Config) -> tuple[Any, int, Config]:
        """Train on local data: parameters, number of examples, metrics."""

    def evaluate(self, parameters: Any, config: Config) -> tuple[float, int, Config]:
        """Loss, number of examples, metrics on local data."""


def app_seed(terms: Terms, begin: int = 0) -> int:
    """A public number below 2^32 that all hospitals' apps share, for equal initial models.

    begin: the round after which the model begins. Each has a number of its own, so that a model
    that begins anew is not the one whose sums are open.
    """
    return int.from_bytes(digest("quorate/app seed", terms.federation, b"%d" % begin)[:4], "big")


def initial_config(terms: Terms, begin: int) -> Config:
    """What ``initial_parameters`` is given for the model that begins after a round, or after 0."""
    return {"round": begin, "seed": app_seed(terms, begin)}


def fit(app: App, parameters: Any, config: Config) -> tuple[Any, int, Any]:
    """What the app makes of the parameters: new ones, number of examples, metrics.

    Raises BadApp on any other answer; the parameters are not looked at. No metrics end training.
    """
    answer = app.fit(parameters, config)
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise BadApp("fit", "it must return (parameters, num_examples, metrics)")
    fitted, examples, metrics = answer
    return fitted, _whole(examples, "fit"), _plain(metrics)


def evaluate(app: App, parameters: Any, config: Config) -> dict[str, Any]:
    """``loss``, ``examples`` and ``metrics`` of the parameters; raises BadApp on other answers."""
    answer = app.evaluate(parameters, config)
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise BadApp("evaluate", "it must return (loss, num_examples, metrics)")
    loss, examples, metrics = answer
    try:
        loss = float(loss)
    except (TypeError, ValueError):
        raise BadApp("evaluate", f"loss is {type(loss).__name__}, not a number") from None
    return {"loss": loss, "examples": _whole(examples, "evaluate"), "metrics": _plain(metrics)}


def _whole(examples: object, function: str) -> int:
    """A number of examples: an int, or what other libraries have for one, such as numpy's."""
    try:
        if isinstance(examples, bool | np.bool_):
            raise TypeError
        return operator.index(examples)  # type: ignore[arg-type]
    except TypeError:
        what = f"num_examples is of type {type(examples).__name__}, not an int"
        raise BadApp(function, what) from None


def _plain(metrics: object) -> dict[str, object]:
    """Metrics as numbers and texts by name; of anything else, what it was."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        return {"metrics": _left_out(metrics)}
    return {str(_number(key)): _metric(value) for key, value in metrics.items()}


def _metric(value: object) -> object:
    found = _number(value)
    return found if isinstance(found, str | int | float | None) else _left_out(value)


def _number(value: object) -> object:
    """The number in a numpy scalar, or in an array or tensor that has but one; else the value."""
    item = getattr(value, "item", None)
    if not callable(item):
        return value
    try:
        return item()
    except (TypeError, ValueError, RuntimeError):  # it has several, or none
        return value


def _left_out(value: object) -> str:
    return f"({type(value).__name__}, left out)"
