"""What can go wrong at the aggregator; every error carries the facts as fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from keyshare.errors import FactualError
from protocol.errors import BadTerms, UnsignedTerms


class AggregatorError(FactualError):
    """Base of all errors of this package."""


class StoreDamaged(AggregatorError, says="{what}: {reason}"):
    """What was stored cannot be what was acknowledged; ``what`` names the entry or blob.

    ``position`` is the first bad entry of the board, 0 where it is not about an entry.
    """

    what: str
    reason: str
    position: int = 0


class StoreFull(AggregatorError, says="{path}: {reason}"):
    """The operating system refused to store or read something; nothing was acknowledged.

    number: its ``errno``, 0 where it gave none.
    """

    path: Path
    reason: str
    number: int = 0

    @classmethod
    def of(cls, path: Path, error: OSError) -> StoreFull:
        """What an OSError says of a path."""
        return cls(path, error.strerror or str(error), error.errno or 0)


class StoreAway(StoreFull):
    """Where blobs lie does not answer, or refuses. What is far away may be back by itself."""


DatabaseFault = Literal[
    "address",
    "secret",
    "extra",
    "connection",
    "login",
    "missing",
    "rights",
    "release",
    "format",
    "federation",
]


class BoardRefused(AggregatorError, says="{place}: {reason}"):
    """A database that a board cannot be in, or that cannot be had; ``place`` may be a file.

    kind: which remedy fits. address, secret: the address itself. extra: what speaks with
    PostgreSQL is not installed. connection, login, missing, rights, release: of the server.
    format, federation: of the tables.
    """

    place: str
    kind: DatabaseFault
    reason: str


BlobsFault = Literal[
    "address",
    "secret",
    "extra",
    "plain",
    "connection",
    "login",
    "missing",
    "rights",
    "region",
    "elsewhere",
]


class BlobsRefused(AggregatorError, says="{place}: {reason}"):
    """Where blobs cannot lie, or do not.

    kind: which remedy fits. address, secret, plain: the address itself, or the endpoint's. extra:
    what speaks with object stores is not installed. connection, login, missing, rights, region: of
    the store. elsewhere: those of this federation lie at another place.
    """

    place: str
    kind: BlobsFault
    reason: str


class SumsRefused(AggregatorError, says="{place}: {reason}"):
    """Where sums cannot be made.

    kind: which remedy fits. address, plain: the address itself. certificates: the files for it.
    extra: what speaks with a scheduler is not installed.
    """

    place: str
    kind: Literal["address", "plain", "certificates", "extra"]
    reason: str


class LeadLost(AggregatorError, says="{place}: {reason}"):
    """This process may write to the board no more: another may do so by now."""

    place: str
    reason: str


class StoppedWaiting(AggregatorError, says="stopped while it stood by"):
    """A process was stopped before it led."""


class NoBoard(AggregatorError, says="{folder}: no board"):
    """Nothing is stored of this federation; ``folder`` is where its board would be."""

    folder: Path


class BadUpload(AggregatorError, says="blob {blob}: {reason}"):
    """A piece of a blob that cannot be taken; ``code`` as in ``wire.Rejected``."""

    blob: bytes
    code: Literal["malformed", "too-large", "busy"]
    reason: str


class UnfitTerms(AggregatorError):
    """Terms in a file that cannot be read, or served."""

    path: Path
    error: str | BadTerms | UnsignedTerms


class AnotherAggregator(AggregatorError):
    """The terms name the key of another aggregator than the one at ``path``."""

    path: Path


class AnotherCertificate(AggregatorError):
    """The newest card, of this number, pins the key of another certificate than the one given."""

    path: Path
    number: int


class AnotherFederation(AggregatorError):
    """The running service on this folder serves other terms."""

    served: str


class NotYetReady(AggregatorError):
    """A service that has just started and has not reported yet."""
