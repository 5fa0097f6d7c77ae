"""One helper for torch users: a module's parameters as numpy arrays, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def parameters_of(module: torch.nn.Module) -> list[NDArray[Any]]:
    """The floating-point entries of the state dict (weights, and buffers such as running means)."""
    return [tensor.detach().cpu().numpy().copy() for _, tensor in _floating(module)]


def load_parameters(module: torch.nn.Module, parameters: Sequence[NDArray[Any]]) -> None:
    """Put arrays from ``parameters_of`` back; raises ValueError naming the first that misfits."""
    entries = _floating(module)
    if len(entries) != len(parameters):
        raise ValueError(f"{len(parameters)} arrays for {len(entries)} entries of the state dict")
    state = module.state_dict()
    for (name, tensor), array in zip(entries, parameters, strict=True):
        if tuple(array.shape) != tuple(tensor.shape):
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, the array {array.shape}")
        state[name] = torch.from_numpy(np.ascontiguousarray(array)).to(tensor.dtype)
    module.load_state_dict(state)


def _floating(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(n, t) for n, t in module.state_dict().items() if t.is_floating_point()]
