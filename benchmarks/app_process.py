"""What a process of its own costs an app: a model there and back, beside the same call in place."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import large_app
from participant.app import App, AppApart, AppFile
from participant.model import Layout, Model, checked

_START = {"round": 0, "seed": 1}


def measure(weights: int, runs: int) -> dict[str, Any]:
    """Seconds of ``fit`` and ``evaluate`` with so many float32 weights, the median of the runs."""
    variables = {"WEIGHTS": str(weights), "HOSPITAL": "1"}
    with tempfile.TemporaryDirectory(prefix="quorate-app-") as name:
        file = AppFile(Path(large_app.__file__), variables)
        apart = AppApart(file, Path(name), {}, lambda line, is_error: None)
        started = time.monotonic()
        apart.start()
        found: dict[str, Any] = {"start_seconds": round(time.monotonic() - started, 2)}
        try:
            found["apart"] = _timed(apart, runs)
        finally:
            apart.close()
    with mock.patch.dict(os.environ, variables):
        found["in_place"] = _timed(large_app, runs)
    return {"weights": weights, **found}


def _timed(app: App, runs: int) -> dict[str, float]:
    initial = app.initial_parameters(_START)
    layout = Layout.of(initial)
    model = Model.of(checked(initial, layout, "initial_parameters"))
    seconds: dict[str, list[float]] = {"fit": [], "evaluate": []}
    for number in range(1, runs + 1):
        given, config = model.to_app({}), {"round": number, "seed": 1}
        for function, times in seconds.items():
            times.append(_seconds(lambda: getattr(app, function)(given, config)))  # noqa: B023
    return {name: round(statistics.median(times), 3) for name, times in seconds.items()}


def _seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
