"""The demo's second app: which digit do 8 by 8 pixels show?

Each hospital trains on its own file, named by the environment variable DIGITS: an ``.npz`` with
``images``, shape (count, 8, 8), each pixel 0 to 16, and ``digits``, shape (count,), 0 to 9.
"""

import os
from typing import Any

import numpy as np
import torch
from torch import nn

Parameters = dict[str, torch.Tensor]  # a state_dict
Config = dict[str, Any]

EPOCHS, BATCH, LEARNING_RATE = 10, 32, 0.1


def network() -> nn.Module:
    """Two convolutions and two full layers: 109,410 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 200),
        nn.ReLU(),
        nn.Linear(200, 10),
    )


def load(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images on the scale 0 to 1, shape (count, 1, 8, 8), and their digits, shape (count,)."""
    with np.load(path) as file:
        images = torch.from_numpy(file["images"]).float() / 16
        return images.unsqueeze(1), torch.from_numpy(file["digits"]).long()


def initial_parameters(config: Config) -> Parameters:
    """The same at every hospital: it depends on the federation's seed alone."""
    torch.manual_seed(config["seed"])
    return network().state_dict()


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Some epochs of plain gradient descent; the same data give the same model."""
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"] + config["round"])
    images, digits = load(os.environ["DIGITS"])
    model = network()
    model.load_state_dict(parameters)
    loss_function = nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(digits)), BATCH):
            loss = loss_function(model(images[batch]), digits[batch])
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():  # as torch.optim.SGD, which takes a second or more to load
                for weights, gradient in zip(model.parameters(), gradients, strict=True):
                    weights.sub_(gradient, alpha=LEARNING_RATE)
    return model.state_dict(), len(digits), {"loss": loss.item()}


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss and accuracy on this hospital's images."""
    return score(parameters, os.environ["DIGITS"])


def score(parameters: Parameters, path: str) -> tuple[float, int, Config]:
    """Loss and accuracy on the images in a file."""
    torch.set_num_threads(1)
    images, digits = load(path)
    model = network()
    model.load_state_dict(parameters)
    with torch.no_grad():
        scores = model(images)
    loss = float(nn.functional.cross_entropy(scores, digits))
    return loss, len(digits), {"accuracy": float((scores.argmax(1) == digits).float().mean())}
