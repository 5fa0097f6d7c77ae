"""A few measured times in short."""

import statistics
from collections.abc import Sequence


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Mean, median, least and greatest, in milliseconds' precision."""
    found = {
        "mean": statistics.mean(seconds),
        "median": statistics.median(seconds),
        "min": min(seconds),
        "max": max(seconds),
    }
    return {name: round(value, 3) for name, value in found.items()}
