# SPDX-License-Identifier: Apache-2.0
"""Executors that a hospital has installed at its site: jobs name them, and bring no code."""

from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal


class AddsOne(Executor):
    """Trains: adds 1 to the model, at every site 5 steps; and scores in any other task."""

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        if task_name != "train":
            return DXO(DataKind.METRICS, {"error": 0.25}).to_shareable()
        given: dict[str, Any] = from_shareable(shareable).data
        made = {name: values + np.float32(1) for name, values in given.items()}
        meta = {"NUM_STEPS_CURRENT_ROUND": 5, "initial_metrics": {"error": 0.5, "patients": 150.0}}
        return DXO(DataKind.WEIGHTS, made, meta).to_shareable()
