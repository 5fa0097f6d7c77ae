"""An aggregator that adds Δ to one word of the first round's summed vector, and is fair else."""

import contextlib
from collections.abc import Iterator, Mapping
from unittest.mock import patch

import numpy as np

from aggregator.rounds.vector_sum import Vector, VectorSum
from keyshare.hybrid.one_time_key import read_words, write_sum

SHIFTED = "study/cardio/1"
_PLACE = 1  # a word of two weights; the first has the contributions' own as well


@contextlib.contextmanager
def shifting_sums() -> Iterator[None]:
    """While this is open, every aggregator does so."""
    real = VectorSum.read

    def read(found: VectorSum, chunk: int, vectors: Mapping[int, Vector]) -> bytes | None:
        data = real(found, chunk, vectors)
        if data is None or found.session != SHIFTED:
            return data
        words = read_words(data, found.lattice.sum_bytes)
        words[_PLACE] += np.uint64(found.lattice.delta)
        return write_sum(words, found.lattice)

    with patch.object(VectorSum, "read", read):
        yield
