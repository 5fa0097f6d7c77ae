# SPDX-License-Identifier: Apache-2.0
"""The network that all sites train."""

import torch


class Net(torch.nn.Module):
    """Two layers, for pictures of 8 by 8 points and ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Of each class, for each picture."""
        found: torch.Tensor = self.layers(pictures)
        return found
