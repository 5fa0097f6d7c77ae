# SPDX-License-Identifier: Apache-2.0
"""Executors that a hospital has installed at its site: jobs name them, and bring no code."""

import os
import time
from pathlib import Path
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


HELD = "QUORATE_HELD"  # environment: a folder; a site with a file there trains until it is gone
STEPS = {"site-1": 0.25, "site-2": 0.5, "site-3": -1.0, "site-4": 2.0}
EXAMPLES = {"site-1": 10, "site-2": 20, "site-3": 30, "site-4": 40}


class AddsOwn(Executor):
    """Trains: adds the site's own step to the model, with the site's own number of examples."""

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        site = fl_ctx.get_identity_name()
        held = Path(os.environ[HELD]) / site
        while held.exists() and not abort_signal.triggered:
            held.write_text("trains")
            time.sleep(0.1)
        given: dict[str, Any] = from_shareable(shareable).data
        made = {name: values + np.float32(STEPS[site]) for name, values in given.items()}
        meta = {"NUM_STEPS_CURRENT_ROUND": EXAMPLES[site]}
        return DXO(DataKind.WEIGHTS, made, meta).to_shareable()
