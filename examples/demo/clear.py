"""The same training without any encryption: what the federation is compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from examples import breast_cancer as app
from participant.layout import Layout
from participant.model import Model
from participant.weights import Vector, Weights, checked


def federated_average(
    files: Sequence[Path], contributors: Sequence[Sequence[int]], config: dict[str, Any]
) -> list[Vector]:
    """The model after each round, by federated averaging in float64 of the given contributors."""
    initial = app.initial_parameters(config)
    layout = Layout.of(initial)
    model = _vector(initial, layout)
    models = []
    for number, members in enumerate(contributors, start=1):
        fitted = [_fit(layout, model, files[m - 1], config | {"round": number}) for m in members]
        weights = np.array([examples for _, examples in fitted], dtype=np.float64)
        vectors = np.stack([vector for vector, _ in fitted])
        model = weights @ vectors / weights.sum()
        models.append(model)
    return models


def to_app(vector: Vector, layout: Layout) -> app.Parameters:
    """A vector of all weights as parameters of the app."""
    parts = tuple(vector[start:end] for start, end in pairwise(layout.starts))
    return Model.of(Weights(layout, parts)).to_app({})


def train_on(path: Path, rounds: int, config: dict[str, Any]) -> app.Parameters:
    """The model that as many rounds of local training on one file give."""
    parameters = app.initial_parameters(config)
    os.environ["PATIENTS"] = str(path)
    for number in range(1, rounds + 1):
        parameters, _, _ = app.fit(parameters, config | {"round": number})
    return parameters


def accuracy(parameters: app.Parameters, path: Path) -> float:
    """The share of patients in a file that a model is right about."""
    return float(app.score(parameters, str(path))[2]["accuracy"])


def _fit(layout: Layout, model: Vector, path: Path, config: dict[str, Any]) -> tuple[Vector, int]:
    os.environ["PATIENTS"] = str(path)
    parameters, examples, _ = app.fit(to_app(model, layout), config)
    return _vector(parameters, layout), examples


def _vector(parameters: app.Parameters, layout: Layout) -> Vector:
    weights = checked(parameters, layout, "fit")
    return weights.slice(0, len(weights))
