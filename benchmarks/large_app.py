"""The app of the large round: WEIGHTS float32 numbers, of which every one changes a little."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Parameters = list[NDArray[np.float32]]
Config = dict[str, Any]

_SLICE = 1 << 20


def initial_parameters(config: Config) -> Parameters:
    """One long array of zeros."""
    return [np.zeros(int(os.environ["WEIGHTS"]), dtype=np.float32)]


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Add sin(j + HOSPITAL)/100 to weight j, in place."""
    for start in range(0, len(parameters[0]), _SLICE):
        part = parameters[0][start : start + _SLICE]
        part += change(start, len(part), int(os.environ["HOSPITAL"]))
    return parameters, 100, {}


def change(start: int, count: int, hospital: int) -> NDArray[np.float32]:
    """What a hospital adds to some weights."""
    angles = np.arange(start, start + count, dtype=np.float64) + hospital
    return (np.sin(angles) / 100).astype(np.float32)


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Nothing to score."""
    return 0.0, 100, {}
