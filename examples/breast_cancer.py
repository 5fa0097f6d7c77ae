"""The demo's first app: is a tumour malignant, from 30 measurements of cell nuclei?

Each hospital trains on its own file, named by the environment variable PATIENTS: a CSV file with a
header, 30 measurements a row and the diagnosis (0 malignant, 1 benign) in the last column. The app
needs NumPy alone: an app may do with whatever libraries it likes.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # of float32 outside, of float64 while it is computed
Parameters = dict[str, Floats]
Config = dict[str, Any]

MEASUREMENTS, HIDDEN = 30, 16
STEPS, LEARNING_RATE = 20, 1.0

# Largest values of the measurements, from the data set's public description: no hospital's own
# figures are needed to bring the columns to one scale.
MEANS = (28.11, 39.28, 188.5, 2501.0, 0.163, 0.345, 0.427, 0.201, 0.304, 0.097)
ERRORS = (2.873, 4.885, 21.98, 542.2, 0.031, 0.135, 0.396, 0.053, 0.079, 0.03)
WORST = (36.04, 49.54, 251.2, 4254.0, 0.223, 1.058, 1.252, 0.291, 0.664, 0.208)
LARGEST = np.array((*MEANS, *ERRORS, *WORST))


def load(path: str) -> tuple[Floats, Floats]:
    """Measurements on the scale -1 to 1, shape (patients, 30), and diagnoses, shape (patients,)."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return 2 * table[:, :MEASUREMENTS] / LARGEST - 1, table[:, MEASUREMENTS]


def initial_parameters(config: Config) -> Parameters:
    """30 measurements, 16 hidden units, one logit: 513 weights, by the federation's seed alone."""
    draw = np.random.default_rng(config["seed"])
    shapes = {"hidden.weight": (MEASUREMENTS, HIDDEN), "hidden.bias": (HIDDEN,)}
    shapes |= {"output.weight": (HIDDEN,), "output.bias": (1,)}
    return {
        name: draw.uniform(-0.2, 0.2, shape).astype(np.float32) for name, shape in shapes.items()
    }


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Gradient descent, each step over all of this hospital's patients."""
    features, diagnoses = load(os.environ["PATIENTS"])
    model = {name: weights.astype(np.float64) for name, weights in parameters.items()}
    for _ in range(STEPS):
        for name, gradient in _gradients(model, features, diagnoses).items():
            model[name] -= LEARNING_RATE * gradient
    loss = _loss(_forward(model, features)[1], diagnoses)
    trained = {name: weights.astype(np.float32) for name, weights in model.items()}
    return trained, len(diagnoses), {"loss": loss}


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss and accuracy on this hospital's patients."""
    return score(parameters, os.environ["PATIENTS"])


def score(parameters: Parameters, path: str) -> tuple[float, int, Config]:
    """Loss and accuracy on the patients in a file."""
    features, diagnoses = load(path)
    logits = _forward(parameters, features)[1]
    accuracy = float(((logits > 0) == (diagnoses > 0.5)).mean())
    return _loss(logits, diagnoses), len(diagnoses), {"accuracy": accuracy}


def _forward(model: Parameters, features: Floats) -> tuple[Floats, Floats]:
    """The hidden units, shape (patients, 16), and the logits, shape (patients,)."""
    hidden = np.tanh(features @ model["hidden.weight"] + model["hidden.bias"])
    return hidden, hidden @ model["output.weight"] + model["output.bias"]


def _gradients(model: Parameters, features: Floats, diagnoses: Floats) -> Parameters:
    """Those of the mean cross-entropy, by back-propagation."""
    hidden, logits = _forward(model, features)
    of_logits = (1 / (1 + np.exp(-logits)) - diagnoses) / len(diagnoses)
    of_hidden = np.outer(of_logits, model["output.weight"]) * (1 - hidden**2)
    return {
        "hidden.weight": features.T @ of_hidden,
        "hidden.bias": of_hidden.sum(axis=0),
        "output.weight": hidden.T @ of_logits,
        "output.bias": of_logits.sum(keepdims=True),
    }


def _loss(logits: Floats, diagnoses: Floats) -> float:
    """The mean cross-entropy in nats."""
    return float(np.mean(np.logaddexp(0, logits) - diagnoses * logits))
