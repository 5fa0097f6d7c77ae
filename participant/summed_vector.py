"""The sum of a round's vectors, opened chunk by chunk as its blobs arrive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from keyshare.key_packing import unpack_key
from keyshare.one_time_key import SummedKey
from keyshare.quantisation import Averager
from protocol.board import Posted
from protocol.ciphertexts import lattice_context
from protocol.epoch import Epoch, to_number
from protocol.messages import Closing, Opening
from protocol.suite import suite_of
from protocol.terms import Terms

_AHEAD = 4  # chunks asked for at a time


class SummedVector:
    """What a decrypted one-time key opens: the average update, in slices, in order."""

    def __init__(
        self,
        plaintexts: Sequence[mpz],
        opening: Posted,
        closing: Closing,
        epoch: Epoch,
        terms: Terms,
    ) -> None:
        """plaintexts: the decrypted sum of the keys. Raises CorruptSum if it is no such sum."""
        said = opening.post.body
        assert isinstance(said, Opening)
        suite = suite_of(said.suite, terms)
        assert suite.lattice is not None
        self._lattice, self._names = suite.lattice, closing.vector
        self._contributors = len(closing.contributors)
        self._quantisation = suite.quantisation(said.clip)
        self._length = said.length + 1
        self._context = lattice_context(epoch.digest, opening.digest)
        digits = unpack_key(plaintexts, suite.lattice, to_number(epoch.n))
        self._key = SummedKey(suite.lattice, digits, self._contributors)
        self._averager: Averager | None = None
        self._next = 0

    @property
    def done(self) -> bool:
        """Whether every chunk is opened."""
        return self._next == len(self._names)

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes of the chunks that are opened, and of all."""
        sizes = [self._lattice.sum_chunk_bytes(k, self._length) for k in range(len(self._names))]
        return sum(sizes[: self._next]), sum(sizes)

    def wanted(self) -> list[tuple[bytes, int]]:
        """Names and sizes of the next chunks."""
        chunks = range(self._next, min(self._next + _AHEAD, len(self._names)))
        return [(self._names[k], self._lattice.sum_chunk_bytes(k, self._length)) for k in chunks]

    def take(self, data: bytes) -> NDArray[np.float64]:
        """The next slice of the average update, from the next chunk. Raises CorruptSum."""
        lattice = self._lattice
        left = self._length - self._next * lattice.chunk_weights
        sums = self._key.open(self._next, data, min(lattice.chunk_weights, left), self._context)
        self._next += 1
        if self._averager is None:
            self._averager = Averager(int(sums[0]), self._contributors, self._quantisation)
            sums = sums[1:]
        return self._averager.entries(sums)
