"""Start here for data of your own: a CSV file with a header, the outcome (0 or 1) last.

    export QUORATE_CSV=/data/outcomes.csv
    quorate-participant train federation.toml --app csv_hospital.py

All hospitals must have the same columns in the same order, already brought to comparable scales
(for example by constants that the consortium agrees on, or by the sums of a statistic round).
A round may change a weight by 2 where few columns tell the outcome: give `terms new`
`--clip 8`, say, beforehand.
Logistic regression in plain numpy; swap in any model: `fit` and `evaluate` see lists of arrays.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Parameters = list[NDArray[Any]]
Config = dict[str, Any]

STEPS, LEARNING_RATE = 50, 0.5


def load() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features, shape (rows, columns - 1), and outcomes, shape (rows,)."""
    path = os.environ.get("QUORATE_CSV")
    if not path:
        raise ValueError("set QUORATE_CSV to your CSV file")
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if not np.isin(table[:, -1], (0, 1)).all():
        raise ValueError(f"the last column of {path} must hold 0 or 1")
    return table[:, :-1], table[:, -1]


def initial_parameters(config: Config) -> Parameters:
    """Small random weights: the same at every hospital, and others for every new model.

    Two trainings that begin from one model would show by the difference of their first sums what
    hospitals added that were in one of them alone.
    """
    features, _ = load()
    weights = np.random.default_rng(config["seed"]).normal(0, 0.01, (features.shape[1],))
    return [weights, np.zeros(1)]


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Gradient descent on this hospital's rows: parameters, number of rows, metrics."""
    features, outcomes = load()
    weights, bias = (array.copy() for array in parameters)
    for _ in range(STEPS):
        error = probabilities(weights, bias, features) - outcomes
        weights -= LEARNING_RATE * features.T @ error / len(outcomes)
        bias -= LEARNING_RATE * error.mean()
    return [weights, bias], len(outcomes), {}


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Log loss, number of rows, and accuracy on this hospital's rows."""
    features, outcomes = load()
    found = np.clip(probabilities(parameters[0], parameters[1], features), 1e-12, 1 - 1e-12)
    loss = -np.mean(outcomes * np.log(found) + (1 - outcomes) * np.log(1 - found))
    accuracy = float(np.mean((found > 0.5) == (outcomes > 0.5)))
    return float(loss), len(outcomes), {"accuracy": accuracy}


def probabilities(
    weights: NDArray[Any], bias: NDArray[Any], features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(outcome = 1) for each row."""
    return np.asarray(1 / (1 + np.exp(-(features @ weights + bias))))
