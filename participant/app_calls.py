"""The user's model and the calls to it: what it is given, and what it answers, checked."""

from __future__ import annotations

from typing import Any, Protocol

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

    Raises BadApp on any other answer; the parameters are not looked at.
    """
    answer = app.fit(parameters, config)
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise BadApp("fit", "it must return (parameters, num_examples, metrics)")
    fitted, examples, metrics = answer
    if isinstance(examples, bool) or not isinstance(examples, int):
        raise BadApp("fit", f"num_examples is {type(examples).__name__}, not int")
    return fitted, examples, metrics


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
    return {"loss": loss, "examples": examples, "metrics": metrics}
