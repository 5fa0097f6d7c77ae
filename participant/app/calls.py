"""The user's model and the calls to it: what it is given, and what it answers, checked."""

import operator
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import numpy as np

from participant.errors import BadApp
from participant.model import closed_coroutine
from protocol.board import Study
from protocol.encoding import digest

Config = dict[str, Any]
_MOST_BITS_OF_A_COUNT = 64
_MOST_BITS = 1_024  # of an integer among metrics; Python writes none that is much larger


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


def app_seed(study: Study) -> int:
    """A public number below 2^32 that all hospitals' apps share, for equal initial models.

    Each study has a number of its own, so that two of them do not begin with one model.
    """
    return int.from_bytes(digest("quorate/app seed", study.digest)[:4], "big")


def config_of(study: Study, number: int) -> Config:
    """What an app is given in a round of a study; number 0: for its initial parameters."""
    return {"study": study.name, "round": number, "seed": app_seed(study)}


def fit(app: App, parameters: Any, config: Config) -> tuple[Any, int, Any]:
    """What the app makes of the parameters: new ones, number of examples, metrics.

    Raises BadApp on any other answer; the parameters are not looked at. No metrics end training.
    """
    answer = app.fit(parameters, config)
    fitted, examples, metrics = _three(answer, "fit", "(parameters, num_examples, metrics)")
    return fitted, _whole(examples, "fit"), _plain(metrics)


def evaluate(app: App, parameters: Any, config: Config) -> dict[str, Any]:
    """``loss``, ``examples`` and ``metrics`` of the parameters; raises BadApp on other answers."""
    answer = app.evaluate(parameters, config)
    loss, examples, metrics = _three(answer, "evaluate", "(loss, num_examples, metrics)")
    try:
        number = float(_number(loss))  # type: ignore[arg-type]
    except Exception:  # too large a number, or a class of somebody's own
        raise BadApp("evaluate", f"loss is {type(loss).__name__}, not a number") from None
    return {"loss": number, "examples": _whole(examples, "evaluate"), "metrics": _plain(metrics)}


def _three(answer: object, function: str, what: str) -> tuple[Any, Any, Any]:
    if isinstance(answer, tuple) and len(answer) == 3:
        return answer
    kind = type(answer).__name__
    found = f"a tuple of {len(answer)}" if isinstance(answer, tuple) else f"of type {kind}"
    if isinstance(answer, Coroutine):
        found = closed_coroutine(answer)
    raise BadApp(function, f"it must return {what}. What it returned is {found}")


def _whole(examples: object, function: str) -> int:
    """A number of examples: an int, or what other libraries have for one, such as numpy's."""
    try:
        if isinstance(examples, bool | np.bool_):
            raise TypeError
        found = operator.index(examples)  # type: ignore[arg-type]
    except Exception:
        kind = type(examples).__name__
        what = f"num_examples is of type {kind}, not an int: return int(num_examples)"
        raise BadApp(function, what) from None
    if int.bit_length(found) > _MOST_BITS_OF_A_COUNT:
        what = f"num_examples has more than {_MOST_BITS_OF_A_COUNT} bits: return how many there are"
        raise BadApp(function, what)
    return found


def _plain(metrics: object) -> dict[str, object]:
    """Metrics as numbers and texts by name; of anything else, what it was."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        return {"metrics": _left_out(metrics)}
    try:
        return {_name(key): _metric(value) for key, value in metrics.items()}
    except Exception:  # a mapping that does not give its items
        return {"metrics": _left_out(metrics)}


def _name(key: object) -> str:
    try:
        return str(_number(key))
    except Exception:  # a class of somebody's own, or too long a number
        return _left_out(key)


def _metric(value: object) -> object:
    found = _number(value)
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, int) and int.bit_length(found) <= _MOST_BITS:
        return int.__int__(found)  # of a sub-class the number alone, without methods of its own
    if isinstance(found, float):
        return float.__float__(found)
    return str.__str__(found) if isinstance(found, str) else _left_out(value)


def _number(value: object) -> object:
    """The number in a numpy scalar, or in an array or tensor that has but one; else the value."""
    item = getattr(value, "item", None)
    if not callable(item) or isinstance(value, np.ma.MaskedArray):  # whose item is 0 if masked
        return value
    try:
        return item()
    except Exception:  # it has several or none, or is of a class of somebody's own
        return value


def _left_out(value: object) -> str:
    return f"({type(value).__name__}, left out)"
