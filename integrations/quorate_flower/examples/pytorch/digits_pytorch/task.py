# SPDX-License-Identifier: Apache-2.0
"""A small network for 8x8 images of digits, and a hospital's part of them."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classes = nn.Linear(8 * 4 * 4, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classes(self.features(images).flatten(1))


def load_data(partition: int, partitions: int, batch_size: int) -> tuple[DataLoader, DataLoader]:
    """Every ``partitions``th image, four fifths of them to train with."""
    digits = load_digits()
    images = torch.tensor(digits.images[partition::partitions], dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(digits.target[partition::partitions])
    cut = len(labels) * 4 // 5
    trained = TensorDataset(images[:cut], labels[:cut])
    tested = TensorDataset(images[cut:], labels[cut:])
    return DataLoader(trained, batch_size), DataLoader(tested, batch_size)


def train(net: Net, data: DataLoader, epochs: int, learning_rate: float) -> float:
    """The mean loss."""
    optimizer = torch.optim.SGD(net.parameters(), learning_rate, momentum=0.9)
    net.train()
    total = 0.0
    for _ in range(epochs):
        for images, labels in data:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return total / (epochs * len(data))


@torch.no_grad()
def test(net: Net, data: DataLoader) -> tuple[float, float]:
    """Loss and accuracy."""
    net.eval()
    loss, right = 0.0, 0
    for images, labels in data:
        found = net(images)
        loss += nn.functional.cross_entropy(found, labels, reduction="sum").item()
        right += int((found.argmax(1) == labels).sum())
    return loss / len(data.dataset), right / len(data.dataset)
