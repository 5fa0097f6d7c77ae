"""The door to Flower, which is imported in a Flower app's own process alone."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from participant.errors import BadApp
from participant.flower.versions import KNOWN, check_flower

if TYPE_CHECKING:
    from participant.flower.running import FlowerApp


def load_flower_app(folder: Path) -> "FlowerApp":
    """A Flower app's folder as an app. Raises BadApp, and whatever its own code raises."""
    found = check_flower(str(folder))
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # it is told nothing of a hospital
    try:
        from participant.flower.running import FlowerApp
    except ImportError as error:
        reason = f"flwr {found} is not made as the versions known here are ({error})"
        raise BadApp(str(folder), f"{reason}: pip install 'flwr=={KNOWN}'") from error

    return FlowerApp(folder.resolve())
