"""Whatever an app reports beside its parameters, training goes on."""

from typing import Any

import numpy as np
import pytest
import torch

from participant.app.calls import evaluate, fit
from participant.errors import BadApp
from protocol.words.foreign import json_text


class Reports:
    """An app that answers with these examples and metrics."""

    def __init__(self, examples: Any, metrics: Any) -> None:
        self.examples, self.metrics = examples, metrics

    def initial_parameters(self, config: Any) -> Any:
        return [np.zeros(2)]

    def fit(self, parameters: Any, config: Any) -> Any:
        return parameters, self.examples, self.metrics

    def evaluate(self, parameters: Any, config: Any) -> Any:
        return 0.5, self.examples, self.metrics


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ({"accuracy": 0.5}, {"accuracy": 0.5}),
        ({np.int64(0): 0.5, 1: np.float32(0.25)}, {"0": 0.5, "1": 0.25}),
        ({"auc": torch.tensor(0.5), "n": torch.tensor([3])}, {"auc": 0.5, "n": 3}),
        ({"array": np.array(0.5), "one": np.array([2])}, {"array": 0.5, "one": 2}),
        ({"flag": np.bool_(True), "name": np.str_("a"), "none": None},
         {"flag": True, "name": "a", "none": None}),
        ({"matrix": np.eye(2)}, {"matrix": "(ndarray, left out)"}),
        ({"rows": [1, 2], "what": object(), "complex": 1j},
         {"rows": "(list, left out)", "what": "(object, left out)",
          "complex": "(complex, left out)"}),
        ({(0, 1): 1.0}, {"(0, 1)": 1.0}),
        (None, {}),
        ([1, 2], {"metrics": "(list, left out)"}),
        ("fine", {"metrics": "(str, left out)"}),
    ],
)  # fmt: skip
def test_metrics_are_numbers_and_texts_and_of_all_else_what_it_was(
    metrics: object, found: dict[str, object]
) -> None:
    app = Reports(30, metrics)
    assert fit(app, [np.zeros(2)], {})[2] == found
    assert evaluate(app, [np.zeros(2)], {})["metrics"] == found


@pytest.mark.parametrize("examples", [30, np.int64(30), np.uint8(30), torch.tensor(30)], ids=repr)
def test_a_whole_number_of_examples_is_one_whoever_made_it(examples: object) -> None:
    app = Reports(examples, {})
    assert fit(app, [np.zeros(2)], {})[1] == 30
    assert evaluate(app, [np.zeros(2)], {})["examples"] == 30


@pytest.mark.parametrize(
    "examples", [30.0, "30", None, True, np.bool_(True), np.float64(30)], ids=repr
)
def test_what_is_no_whole_number_is_refused_with_its_type(examples: object) -> None:
    app = Reports(examples, {})
    with pytest.raises(BadApp, match=f"num_examples is of type {type(examples).__name__}"):
        fit(app, [np.zeros(2)], {})
    with pytest.raises(BadApp, match="evaluate"):
        evaluate(app, [np.zeros(2)], {})


@pytest.mark.parametrize("examples", [10**5000, -(10**5000), 1 << 64], ids=["large", "low", "65"])
def test_a_number_without_end_is_refused_and_never_written_out(examples: int) -> None:
    app = Reports(examples, {})
    with pytest.raises(BadApp, match="fit: num_examples has more than 64 bits"):
        fit(app, [np.zeros(2)], {})
    with pytest.raises(BadApp, match="evaluate: num_examples has more than 64 bits"):
        evaluate(app, [np.zeros(2)], {})


def unruly(**methods: Any) -> Any:
    """An object of a class of somebody's own, whose methods fail."""

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    return type("Unruly", (), dict.fromkeys(methods, fail) | {"__hash__": lambda _: 1})()


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ({"a": unruly(item=1)}, {"a": "(Unruly, left out)"}),
        ({unruly(__str__=1): 2}, {"(Unruly, left out)": 2}),
        ({"a": 10**5000, 10**5000: 1}, {"a": "(int, left out)", "(int, left out)": 1}),
        ({"a": np.ma.masked}, {"a": "(MaskedConstant, left out)"}),
    ],
)
def test_metrics_of_unruly_classes_and_numbers_without_end_are_left_out(
    metrics: object, found: dict[str, object]
) -> None:
    reported = fit(Reports(30, metrics), [np.zeros(2)], {})[2]
    assert reported == found
    assert json_text(reported)


@pytest.mark.parametrize("value", [1.5, 3, "text"], ids=repr)
def test_of_a_number_or_text_with_methods_of_its_own_the_value_is_kept(value: Any) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    names = ("__str__", "__repr__", "__format__", "__int__", "__float__", "__index__")
    unruly_value = type("Unruly", (type(value),), dict.fromkeys(names, fail))(value)
    reported = fit(Reports(30, {"a": unruly_value}), [np.zeros(2)], {})[2]
    assert (reported, type(reported["a"])) == ({"a": value}, type(value))
    assert json_text(reported) == json_text({"a": value})


@pytest.mark.parametrize("loss", [10**400, unruly(__float__=1), np.zeros(2), None], ids=type)
def test_a_loss_that_is_no_number_is_refused_with_its_type(loss: object) -> None:
    app = Reports(30, {})
    app.evaluate = lambda parameters, config: (loss, 5, {})
    with pytest.raises(BadApp, match=f"loss is {type(loss).__name__}, not a number"):
        evaluate(app, [np.zeros(2)], {})


async def coroutine() -> None: ...


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: ([], 3), "a tuple of 2"),
        (lambda: [[], 3, {}], "of type list"),
        (coroutine, "a coroutine: write def, not async def"),
    ],
)
def test_what_an_app_returns_in_place_of_three_things_is_told(make: Any, found: str) -> None:
    app = Reports(30, {})
    app.fit = lambda parameters, config: make()
    with pytest.raises(BadApp, match=found):
        fit(app, [np.zeros(2)], {})
