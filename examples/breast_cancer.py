"""The demo's app: is a tumour malignant, from 30 measurements of cell nuclei?

Each hospital trains on its own file, named by the environment variable PATIENTS: a CSV file with a
header, 30 measurements a row and the diagnosis (0 malignant, 1 benign) in the last column.
"""

import os
from typing import Any

import numpy as np
import torch

Parameters = dict[str, torch.Tensor]  # a state_dict
Config = dict[str, Any]

EPOCHS, LEARNING_RATE = 20, 1.0

# Largest values of the measurements, from the data set's public description: no hospital's own
# figures are needed to bring the columns to one scale.
MEANS = (28.11, 39.28, 188.5, 2501.0, 0.163, 0.345, 0.427, 0.201, 0.304, 0.097)
ERRORS = (2.873, 4.885, 21.98, 542.2, 0.031, 0.135, 0.396, 0.053, 0.079, 0.03)
WORST = (36.04, 49.54, 251.2, 4254.0, 0.223, 1.058, 1.252, 0.291, 0.664, 0.208)
LARGEST = np.array((*MEANS, *ERRORS, *WORST))


def network() -> torch.nn.Module:
    """30 measurements, 16 hidden units, one logit: 513 parameters."""
    return torch.nn.Sequential(torch.nn.Linear(30, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))


def load(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Measurements on the scale -1 to 1, shape (patients, 30), and diagnoses, shape (patients,)."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    scaled = 2 * table[:, :30] / LARGEST - 1
    return torch.tensor(scaled, dtype=torch.float32), torch.tensor(table[:, 30]).float()


def initial_parameters(config: Config) -> Parameters:
    """The same at every hospital: it depends on the federation's seed alone."""
    torch.manual_seed(config["seed"])
    return network().state_dict()


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Gradient descent, each step over all of this hospital's patients."""
    torch.set_num_threads(1)
    features, diagnoses = load(os.environ["PATIENTS"])
    model = network()
    model.load_state_dict(parameters)
    loss_function = torch.nn.BCEWithLogitsLoss()
    for _ in range(EPOCHS):
        loss = loss_function(model(features).squeeze(1), diagnoses)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():  # as torch.optim.SGD, which takes a second or more to load
            for weights, gradient in zip(model.parameters(), gradients, strict=True):
                weights.sub_(gradient, alpha=LEARNING_RATE)
    return model.state_dict(), len(diagnoses), {"loss": loss.item()}


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss and accuracy on this hospital's patients."""
    return score(parameters, os.environ["PATIENTS"])


def score(parameters: Parameters, path: str) -> tuple[float, int, Config]:
    """Loss and accuracy on the patients in a file."""
    features, diagnoses = load(path)
    model = network()
    model.load_state_dict(parameters)
    with torch.no_grad():
        logits = model(features).squeeze(1)
    loss = float(torch.nn.functional.binary_cross_entropy_with_logits(logits, diagnoses))
    accuracy = float(((logits > 0) == (diagnoses > 0.5)).float().mean())
    return loss, len(diagnoses), {"accuracy": accuracy}
