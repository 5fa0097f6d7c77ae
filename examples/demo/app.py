"""The demo's app: ``examples.breast_cancer``, with one long training for the demo to interrupt.

Where INTERRUPT names a round and a file, training in that round writes the file and takes its
time: the demo kills the hospital while it trains.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from examples import breast_cancer
from examples.breast_cancer import Config, Parameters, evaluate, initial_parameters

__all__ = ["evaluate", "fit", "initial_parameters"]


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Train; in the round to interrupt, for longer than the round waits."""
    number, _, path = os.environ.get("INTERRUPT", "").partition(":")
    if number == str(config["round"]):
        Path(path).touch()
        time.sleep(60)
    return breast_cancer.fit(parameters, config)
