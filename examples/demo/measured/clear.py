"""The same training without any encryption: what the federation is compared with."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.demo.study import Training
from participant.model import Layout, Model, Vector, Weights, checked

Parameters = dict[str, Any]  # a state_dict


def initial(study: Training, config: dict[str, Any]) -> tuple[Layout, Vector]:
    """The layout of a study's model, and the model before its first round."""
    parameters = study.app.initial_parameters(config)
    layout = Layout.of(parameters)
    return layout, _vector(parameters, layout)


def fit_all(
    study: Training, layout: Layout, model: Vector, members: Sequence[int], config: dict[str, Any]
) -> tuple[Vector, Vector]:
    """What some hospitals' training makes of a model: updates, a row each; numbers of examples."""
    given = to_app(model, layout)
    start = _vector(given, layout)
    updates, examples = [], []
    for member in members:
        os.environ[study.variable] = str(study.files[member - 1])
        parameters, count, _ = study.app.fit(to_app(model, layout), config)
        updates.append(_vector(parameters, layout) - start)
        examples.append(float(count))
    return np.stack(updates), np.array(examples)


def federated_average(
    study: Training, contributors: Sequence[Sequence[int]], config: dict[str, Any]
) -> Vector:
    """The model after all rounds, by federated averaging in float64 of the given contributors."""
    layout, model = initial(study, config)
    for number, members in zip(study.numbers, contributors, strict=True):
        updates, examples = fit_all(study, layout, model, members, config | {"round": number})
        model = model + examples @ updates / examples.sum()
    return model


def to_app(vector: Vector, layout: Layout) -> Parameters:
    """A vector of all weights as parameters of an app."""
    pieces = zip(layout.starts, layout.starts[1:], strict=False)
    parts = tuple(vector[start:end] for start, end in pieces)
    parameters: Parameters = Model.of(Weights(layout, parts)).to_app({})
    return parameters


def train_on(study: Training, path: Path, config: dict[str, Any]) -> Parameters:
    """The model that as many rounds of local training on one file give."""
    parameters: Parameters = study.app.initial_parameters(config)
    os.environ[study.variable] = str(path)
    for number in study.numbers:
        parameters, _, _ = study.app.fit(parameters, config | {"round": number})
    return parameters


def accuracy(study: Training, parameters: Parameters) -> float:
    """The share of the held-out examples that a model is right about."""
    return float(study.app.score(parameters, str(study.held_out))[2]["accuracy"])


def _vector(parameters: Parameters, layout: Layout) -> Vector:
    weights = checked(parameters, layout, "fit")
    return weights.slice(0, len(weights))
