"""Where the vectors of rounds are added: in this process, or elsewhere."""

from collections.abc import Mapping
from typing import Protocol

from aggregator.rounds.vector_sum import Vector, VectorSum
from aggregator.store import BlobStore


class Summation(Protocol):
    """Gets sums on. The files of a VectorSum say what is done, whoever did it."""

    def advance(self, total: VectorSum, vectors: Mapping[int, Vector], blobs: BlobStore) -> bool:
        """Get on with the chunks that lack some of ``vectors``; False if it only waits."""

    def close(self) -> None:
        """Let go of what it speaks with."""


class InProcess:
    """One chunk at each call, in the caller's thread."""

    def advance(self, total: VectorSum, vectors: Mapping[int, Vector], blobs: BlobStore) -> bool:
        """Always gets on."""
        total.advance(vectors, blobs.read)
        return True

    def close(self) -> None:
        """Nothing is held."""
