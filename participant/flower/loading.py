"""The door to Flower, which is imported in a Flower app's own process alone."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from participant.flower.versions import check_flower

if TYPE_CHECKING:
    from participant.flower.running import FlowerApp


def load_flower_app(folder: Path) -> "FlowerApp":
    """A Flower app's folder as an app. Raises BadApp, and whatever its own code raises."""
    check_flower(str(folder))
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # it is told nothing of a hospital
    from participant.flower.running import FlowerApp

    return FlowerApp(folder.resolve())
