"""The app of both studies of the demo, as the examples have them, with places to interrupt it."""

import os
import time
from pathlib import Path
from typing import Any

import torch

from examples import breast_cancer, digits

Parameters = dict[str, torch.Tensor]  # a state_dict
Config = dict[str, Any]


def initial_parameters(config: Config) -> Parameters:
    """The model before the first round."""
    found: Parameters = _app(config).initial_parameters(config)
    return found


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Train."""
    _reach("fit", config)
    fitted: tuple[Parameters, int, Config] = _app(config).fit(parameters, config)
    return fitted


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss, number of examples and accuracy."""
    _reach("evaluate", config)
    found: tuple[float, int, Config] = _app(config).evaluate(parameters, config)
    return found


def _app(config: Config) -> Any:
    return breast_cancer if config["study"] == "tumours" else digits


def _reach(function: str, config: Config) -> None:
    """Say that a function of the app is reached; in the one to interrupt, wait to be stopped.

    INTERRUPT is ``function:study:round:file``: the file is written there.
    """
    *named, path = (os.environ.get("INTERRUPT") or ":::").split(":", 3)
    if named == [function, config["study"], str(config["round"])]:
        Path(path).touch()
        time.sleep(120)
