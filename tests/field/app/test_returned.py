"""What an app returns in place of its model is told it, with what to return."""

from typing import Any

import numpy as np
import pytest
import torch

from participant.errors import BadApp
from participant.model.layout import Layout
from participant.model.weights import checked

LAYERS = torch.nn.Linear(3, 1)


async def later() -> dict[str, Any]:
    return {"w": np.zeros(3)}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: None, "of type NoneType"),
        (lambda: (np.zeros(3) for _ in range(2)), "of type generator"),
        (lambda: np.zeros(3), "of type ndarray"),
        (LAYERS.named_parameters, "of type generator"),
        (lambda: LAYERS, "of type Linear: return its state_dict"),
        (later, "a coroutine: write def, not async def"),
    ],
)
def test_what_is_no_model_is_told_what_it_is(make: Any, told: str) -> None:
    with pytest.raises(BadApp, match=f"it must return a list of .* What it returned is {told}"):
        Layout.of(make())


@pytest.mark.parametrize(
    ("fitted", "told"),
    [
        ({"head": np.ones(2)}, "entry 0, 'body', is missing. .* What is not trained, leave out"),
        ({"body": np.ones(3), "head": np.ones(2), "momentum": np.ones(2)},
         "entry 'momentum' is not in the model. Names, shapes and dtypes must stay those of init"),
        ({"module.body": np.zeros(3), "module.head": np.zeros(2)},
         "entry 0, 'body', is missing, and 'module.body' is there. Names, shapes and"),
        ({"body": np.array([0.0, -np.inf, 0.0]), "head": np.ones(2)},
         "entry 0, 'body', holds NaN or infinity. What is so by intent, name in local_entries"),
    ],
)  # fmt: skip
def test_a_part_of_a_model_and_more_than_it_are_refused_with_what_to_return(
    fitted: dict[str, Any], told: str
) -> None:
    layout = Layout.of({"body": np.zeros(3), "head": np.zeros(2)})
    with pytest.raises(BadApp, match=told):
        checked(fitted, layout, "fit")


def test_local_entries_may_be_names_with_brackets() -> None:
    model = {"weight of age [years]": np.zeros(1), "w": np.zeros(1)}
    assert Layout.of(model, ["weight of age [years]"]).names == ("w",)
    with pytest.raises(BadApp, match=r"no entry is called 'age \[years\]' .*'weight of age \[y"):
        Layout.of(model, ["age [years]"])


def test_a_name_that_is_no_text_is_refused_with_what_to_give() -> None:
    with pytest.raises(BadApp, match="entry 0 cannot be called 0: give it a text as its name"):
        Layout.of({0: np.zeros(3)})
