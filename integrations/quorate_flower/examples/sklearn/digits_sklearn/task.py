# SPDX-License-Identifier: Apache-2.0
"""Logistic regression of 8x8 images of digits, and a hospital's part of them."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

Parameters = list[NDArray[np.float64]]


def initial_parameters() -> Parameters:
    return [np.zeros((10, 64)), np.zeros(10)]


def model_of(parameters: Parameters, epochs: int) -> LogisticRegression:
    model = LogisticRegression(max_iter=epochs, warm_start=True)
    model.classes_ = np.arange(10)
    model.coef_, model.intercept_ = (np.array(one) for one in parameters)
    return model


def load_data(partition: int, partitions: int) -> tuple[NDArray[np.float64], ...]:
    """Images and labels to train with, then those to test with."""
    digits = load_digits()
    images, labels = digits.data[partition::partitions] / 16, digits.target[partition::partitions]
    cut = len(labels) * 4 // 5
    return images[:cut], labels[:cut], images[cut:], labels[cut:]
