# SPDX-License-Identifier: Apache-2.0
"""The app in plus_app/, with and without quorate, behind a SuperLink."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import quorate_client
from tests.stage.plus_app.plus_app.added import added

APP = Path(__file__).parent / "plus_app"


def without_quorate(into: Path) -> Path:
    """A copy as it was before."""
    folder = into / "clear_app"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    client, server = (folder / "plus_app" / f"{name}_app.py" for name in ("client", "server"))
    client.write_text(
        client.read_text()
        .replace("from quorate_flower import quorate_mod\n", "")
        .replace("mods=[quorate_mod]", "")
    )
    server.write_text(
        server.read_text()
        .replace("from quorate_flower import", "from flwr.serverapp.strategy import")
        .replace("QuorateFedAvg", "FedAvg")
    )
    return folder


def received(log: Path) -> list[dict[str, Any]]:
    """What the ServerApp has written down, but for the word which study it is."""
    found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [one for one in found if _outcome(one) != "study"]


def _outcome(reply: dict[str, Any]) -> object:
    return reply.get("configs", {}).get("quorate", {}).get("outcome")


def clear_model(rounds: int, count: int, hospitals: int = 3) -> NDArray[np.float64]:
    """What clear FedAvg comes to."""
    weights = [100 * (k + 1) for k in range(hospitals)]
    model = np.zeros(count)
    for number in range(1, rounds + 1):
        model += sum(n * added(k, number, count) for k, n in enumerate(weights)) / sum(weights)
    return model


def model_at(socket: Path, run: str) -> Any:
    """The model that a hospital stands at, which trains for that run of Flower."""
    with quorate_client.Visits(str(socket), f"flower/{run}") as agent:
        return agent.model()
