# SPDX-License-Identifier: Apache-2.0
"""Models in NVFlare's shareables: params by name, numpy arrays or torch tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.shareable import Shareable

from quorate_nvflare.errors import ResultRefused, WrongServer

MODELS = (DataKind.WEIGHTS, DataKind.WEIGHT_DIFF)


def dxo_in(shareable: Shareable) -> DXO | None:
    """What a shareable says, None if it says nothing that is a DXO."""
    try:
        return from_shareable(shareable)
    except ValueError:
        return None


def require_same(given: Mapping[str, Any], standing: Mapping[str, Any]) -> None:
    """Raise WrongServer if the server's params are not the hospitals' model."""
    if given.keys() != standing.keys():
        names = ", ".join(sorted(given.keys() ^ standing.keys()))
        raise WrongServer(
            f"the server's model has other entries than the hospitals' model ({names} in one of "
            "them): a study trains one model"
        )
    for name, ours in standing.items():
        shape, due = _shape(given[name]), _shape(ours)
        if shape != due:
            raise WrongServer(
                f"the server's entry {name} has shape {shape}, and {due} in the hospitals' model: "
                "a study trains one model"
            )
        if not np.array_equal(_array(given[name]), _array(ours), equal_nan=True):
            raise WrongServer(
                f"the server's entry {name} is not that of the hospitals' model: this server "
                "changes the model, as FedOpt, SCAFFOLD and weighted aggregators do. Use FedAvg "
                "with QuorateAggregator, which leaves it to the hospitals"
            )


def added(given: Mapping[str, Any], difference: Mapping[str, Any]) -> dict[str, Any]:
    """The trained model, whose difference to the given one an app has sent.

    Raises ResultRefused for other entries.
    """
    if given.keys() != difference.keys():
        names = ", ".join(sorted(given.keys() ^ difference.keys()))
        raise ResultRefused(f"the app's difference has not the entries of the model ({names})")
    made = {}
    for name, values in given.items():
        if _shape(values) != _shape(difference[name]):
            raise ResultRefused(
                f"the app's difference of {name} has shape {_shape(difference[name])}, and the "
                f"model's entry has {_shape(values)}"
            )
        made[name] = values + difference[name]
    return made


def _shape(values: Any) -> tuple[int, ...]:
    return tuple(np.shape(values))


def _array(values: Any) -> Any:
    """As numpy sees it; bfloat16, which it does not have, as a tensor."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        return values.float().numpy() if values.is_floating_point() else values.numpy()
    return np.asarray(values)
