# SPDX-License-Identifier: Apache-2.0
"""What servers and apps say in these tests."""

from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils

Params = dict[str, Any]


def model(start: float = 0.0) -> Params:
    """Two entries of different shapes."""
    return {
        "weight": np.full((2, 3), start, np.float32),
        "bias": np.arange(3, dtype=np.float32) + np.float32(start),
    }


def sent(params: Params, number: int = 0, **meta: Any) -> Shareable:
    """What FedAvg sends in its round of that number."""
    made = FLModel(ParamsType.FULL, params, meta=meta, start_round=0, current_round=number)
    return FLModelUtils.to_shareable(made)


def trained(
    params: Params, examples: int = 5, kind: ParamsType = ParamsType.FULL, **metrics: float
) -> Shareable:
    """What an app sends through the Client API."""
    meta = {"NUM_STEPS_CURRENT_ROUND": examples}
    return FLModelUtils.to_shareable(FLModel(kind, params, metrics=metrics or None, meta=meta))


def dxo(kind: DataKind, data: Any, **meta: Any) -> Shareable:
    """Any other one."""
    return DXO(kind, data, meta).to_shareable()


def arrays_in(found: Any) -> list[Any]:
    """All that is an array or a tensor, or bytes or text long enough to be one."""
    if isinstance(found, dict):
        return [one for pair in found.items() for part in pair for one in arrays_in(part)]
    if isinstance(found, list | tuple | set):
        return [one for part in found for one in arrays_in(part)]
    if isinstance(found, bytes | str) and len(found) > 200:
        return [found]
    return [found] if hasattr(found, "shape") and np.shape(found) != () else []
