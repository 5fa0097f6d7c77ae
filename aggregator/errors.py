"""What can go wrong at the aggregator; every error carries the facts as fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from protocol.errors import BadTerms, UnsignedTerms


class AggregatorError(Exception):
    """Base of all errors of this package."""


class StoreDamaged(AggregatorError):
    """What was stored cannot be what was acknowledged; ``what`` names the entry or blob.

    ``position`` is the first bad entry of the board, 0 where it is not about an entry.
    """

    def __init__(self, what: str, reason: str, position: int = 0) -> None:
        super().__init__(f"{what}: {reason}")
        self.what, self.reason, self.position = what, reason, position


class StoreFull(AggregatorError):
    """The operating system refused to store or read something; nothing was acknowledged.

    number: its ``errno``, 0 where it gave none.
    """

    def __init__(self, path: Path, reason: str, number: int = 0) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason, self.number = path, reason, number

    @classmethod
    def of(cls, path: Path, error: OSError) -> StoreFull:
        """What an OSError says of a path."""
        return cls(path, error.strerror or str(error), error.errno or 0)


class NoBoard(AggregatorError):
    """Nothing is stored of this federation; ``folder`` is where its board would be."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: no board")
        self.folder = folder


class BadUpload(AggregatorError):
    """A piece of a blob that cannot be taken; ``code`` as in ``wire.Rejected``."""

    def __init__(
        self, blob: bytes, code: Literal["malformed", "too-large", "busy"], reason: str
    ) -> None:
        super().__init__(f"blob {blob.hex()}: {reason}")
        self.blob, self.code, self.reason = blob, code, reason


class BadTermsFile(AggregatorError):
    """A file of terms that cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class UnfitTerms(AggregatorError):
    """Terms in a file that cannot be served, and why."""

    def __init__(self, path: Path, error: BadTerms | UnsignedTerms) -> None:
        super().__init__(f"{path}: {error}")
        self.path, self.error = path, error


class AnotherAggregator(AggregatorError):
    """The terms name another aggregator; ``field`` is the one that differs."""

    def __init__(self, field: str, path: Path) -> None:
        super().__init__(f"{field}: {path}")
        self.field, self.path = field, path


class AnotherFederation(AggregatorError):
    """The running service on this folder serves other terms."""

    def __init__(self, served: str) -> None:
        super().__init__(served)
        self.served = served


class NotYetReady(AggregatorError):
    """A service that has just started and has not reported yet."""
