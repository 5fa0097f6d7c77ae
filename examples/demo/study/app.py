"""An app of the examples, named by DEMO_APP, as the demo runs it: with places to interrupt it."""

import importlib
import os
import time
from pathlib import Path
from typing import Any

import torch

Parameters = dict[str, torch.Tensor]  # a state_dict
Config = dict[str, Any]

_APP = importlib.import_module(os.environ["DEMO_APP"])
initial_parameters = _APP.initial_parameters
# What torch loads at its first optimiser is loaded before any round waits for this hospital.
torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Train."""
    _reach("fit", config)
    fitted: tuple[Parameters, int, Config] = _APP.fit(parameters, config)
    return fitted


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss, number of examples and accuracy."""
    _reach("evaluate", config)
    found: tuple[float, int, Config] = _APP.evaluate(parameters, config)
    return found


def _reach(function: str, config: Config) -> None:
    """Say that a function of the app is reached; in the one to interrupt, wait to be stopped.

    INTERRUPT is ``function:round:file``: the file is written there.
    """
    name, number, path = (os.environ.get("INTERRUPT") or "::").split(":", 2)
    if (name, number) == (function, str(config["round"])):
        Path(path).touch()
        time.sleep(120)
