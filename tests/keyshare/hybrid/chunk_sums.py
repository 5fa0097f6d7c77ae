"""Sums of one chunk under one-time keys, with what they have to come to."""

from typing import Any

import numpy as np
import pytest

from keyshare.hybrid.lattice import S1, S2, Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, add_chunk, write_sum
from tests.stage.toy import seed_of

CONTEXT = seed_of("context")
BOTH = pytest.mark.parametrize("ring", [S1, S2], ids=lambda ring: ring.name)


def weights(lattice: Lattice, count: int, label: str = "weights") -> np.ndarray:
    """Weights that follow from the label; the first two are the extremes."""
    seed = int.from_bytes(seed_of(label)[:8], "big")
    found = np.random.default_rng(seed).integers(0, lattice.levels, count)
    found[:2] = (0, lattice.levels - 1)[: len(found)]
    return found


class Sum:
    """Contributions of one chunk, added as they come."""

    def __init__(self, lattice: Lattice, chunk: int = 0, context: bytes = CONTEXT) -> None:
        self.lattice, self.chunk, self.context = lattice, chunk, context
        self.total: np.ndarray | None = None
        self.key = np.zeros(lattice.ring.degree, dtype=np.int64)
        self.expected: np.ndarray | int = 0
        self.contributors = 0

    def add(self, values: np.ndarray, seed: bytes | None = None) -> bytes:
        one = OneTimeKey(self.lattice, seed or seed_of("hospital", self.contributors))
        data = one.encrypt(self.chunk, values, self.context)
        self.total = add_chunk(self.total, data, self.lattice)
        self.key = self.key + one.secret
        self.expected = self.expected + values
        self.contributors += 1
        return data

    @property
    def data(self) -> bytes:
        assert self.total is not None
        return write_sum(self.total, self.lattice)

    def opened(self, data: bytes | None = None, **changes) -> np.ndarray:
        said: dict[str, Any] = {"chunk": self.chunk, "context": self.context}
        said |= {"count": len(self.expected)} | changes  # type: ignore[arg-type]
        key = SummedKey(self.lattice, self.key, said.pop("contributors", self.contributors))
        return key.open(said["chunk"], data or self.data, said["count"], said["context"])

    @property
    def is_exact(self) -> bool:
        return self.opened().tolist() == self.expected.tolist()


def small_sum(lattice: Lattice | None = None, contributors: int = 3, blocks: int = 1) -> Sum:
    found = Sum(lattice or Lattice(S1, 16))
    for i in range(contributors):
        found.add(weights(found.lattice, blocks * found.lattice.block_weights, f"{i}"))
    return found
