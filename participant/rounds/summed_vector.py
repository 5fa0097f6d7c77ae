"""The sum of a round's vectors, opened and checked chunk by chunk as its blobs arrive."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from keyshare.errors import CorruptSum, FalseSum
from keyshare.hybrid import SummedKey, unpack_key
from keyshare.rounds import SlotReader
from participant.rounds.sum_check import SumCheck
from participant.rounds.vector_reader import AHEAD
from protocol.board import Study, suite_of
from protocol.key import Epoch, to_number
from protocol.rounds import RoundView, lattice_context
from protocol.terms import AGGREGATOR


class Reading(NamedTuple):
    """Bytes that are read of a vector, and all of them.

    whose: 0 for the sum; a member's vector is read if checksums are missing or do not add up.
    """

    whose: int
    done: int
    total: int


class SummedVector:
    """What a decrypted one-time key opens: the average update, in slices, in order.

    The last slice has come when ``done``; whether the sum is that of the contributions is known
    then, and not before. Of a sum that is outgrown (keyshare/rounds/slots.py) nothing is opened but
    the head.
    """

    def __init__(
        self, plaintexts: Sequence[mpz], view: RoundView, epoch: Epoch, study: Study
    ) -> None:
        """plaintexts: the decrypted sum of the keys. Raises CorruptSum if it is no such sum."""
        assert view.opening is not None and view.closing is not None
        opening, closing = view.opening.post.body, view.closing.post.body
        suite = suite_of(opening.suite, study)
        assert suite.lattice is not None
        self._lattice, self._names = suite.lattice, closing.vector
        contributors = len(closing.contributors)
        self._slot_count = count = suite.slot_count(opening.length)
        size = suite.lattice.sum_chunk_bytes
        self._sizes = [size(k, count) for k in range(len(self._names))]
        slots = suite.slots(opening)
        self.reader: SlotReader = slots.reader(contributors)
        self._head = slots.head
        self._context = lattice_context(epoch.digest, view.opening.digest)
        digits = unpack_key(plaintexts, suite.lattice, to_number(epoch.n))
        self._key = SummedKey(suite.lattice, digits, contributors)
        self._check = SumCheck(view, study)
        self._corrupt: CorruptSum | None = None  # what is wrong with the sum, whoever made it so
        self._next = 0

    @property
    def done(self) -> bool:
        """Whether every chunk is opened, and their sum found right."""
        return self._check.verdict is not None and self._check.verdict.is_sum

    @property
    def liars(self) -> tuple[int, ...]:
        """Members whose checksums turned out to be false."""
        return self._check.verdict.liars if self._check.verdict else ()

    @property
    def reading(self) -> Reading:
        """How far it is."""
        if reading := self._check.reading:
            return Reading(reading[0], *reading[1])
        return Reading(AGGREGATOR, sum(self._sizes[: self._next]), sum(self._sizes))

    def wanted(self) -> list[tuple[bytes, int]]:
        """Names and sizes of the next blobs: of the sum, then of vectors that have to be read."""
        if self._next == len(self._names):
            return self._check.wanted()
        ahead = slice(self._next, self._next + AHEAD)
        return list(zip(self._names[ahead], self._sizes[ahead], strict=True))

    def take(self, data: bytes) -> NDArray[np.float64]:
        """The next slice of the average update, from the next blob; empty if there is none in it.

        Raises CorruptSum at the end, FalseSum if it is by the aggregator's doing.
        """
        update = np.empty(0)
        if self._next < len(self._names):
            self._check.add(self._next, data, self._lattice)
            update = self._open(data)
            self._next += 1
            if self._next == len(self._names):
                self._check.compare()
        else:
            self._check.take(data)
        if (verdict := self._check.verdict) and not verdict.is_sum:
            raise FalseSum
        if verdict and self._corrupt:
            raise self._corrupt
        return update

    def _open(self, data: bytes) -> NDArray[np.float64]:
        """A slice from a chunk; a corrupt sum is only read on, to know whose doing it is."""
        lattice, head = self._lattice, 0
        left = self._slot_count - self._next * lattice.chunk_weights
        try:
            if self._next == 0:
                head = self._head
                self.reader.take_head(self._key.open_head(data, head, self._context))
            if self._corrupt or self.reader.is_outgrown:
                return np.empty(0)
            sums = self._key.open(self._next, data, min(lattice.chunk_weights, left), self._context)
            return self.reader.take(sums[head:])
        except CorruptSum as error:
            self._corrupt = error
            return np.empty(0)
