"""The app of both studies of the demo, as the examples have them, with places to interrupt it."""

import os
import time
from importlib import import_module
from pathlib import Path
from typing import Any

Parameters = dict[str, Any]  # NumPy's arrays, or PyTorch's tensors
Config = dict[str, Any]
EXAMPLES = {"tumours": "examples.breast_cancer"}  # any other study trains on digits


def initial_parameters(config: Config) -> Parameters:
    """The model before the first round, where the plan names no other one."""
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
    return import_module(EXAMPLES.get(config["study"], "examples.digits"))


def _reach(function: str, config: Config) -> None:
    """Say that a function of the app is reached; in the one to interrupt, wait to be stopped.

    INTERRUPT is ``function:study:round:file``: the file is written there.
    """
    *named, path = (os.environ.get("INTERRUPT") or ":::").split(":", 3)
    if named == [function, config["study"], str(config["round"])]:
        Path(path).touch()
        time.sleep(120)
