"""What can go wrong at the aggregator; every error carries the facts as fields."""

from __future__ import annotations

from pathlib import Path


class AggregatorError(Exception):
    """Base of all errors of this package."""


class StoreDamaged(AggregatorError):
    """What was stored cannot be what was acknowledged; ``what`` names the entry or blob."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what, self.reason = what, reason


class StoreFull(AggregatorError):
    """The operating system refused to store something; nothing was acknowledged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason
