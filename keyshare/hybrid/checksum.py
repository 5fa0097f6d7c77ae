"""Linear checksums of encrypted vectors: those of the contributions add up to that of the sum.

A vector is a list of chunks of words below 2^64. Under a key that is drawn when the vectors are
fixed, with P = 2^127 - 1,

    f_km = Σ_j w_kj · K_jm        j: a chunk's positions;  m: 7 columns;  0 <= K_jm < 2^20
    F    = Σ_k Σ_m κ_km · f_km  mod P        k: chunks;  0 <= κ_km < 2^127

K is the same for all chunks. F is linear over the integers: if C = Σ c_i, word by word and without
any reduction, then F(C) = Σ F(c_i) mod P.

If C - Σ c_i is any other fixed list of integers, one of its chunks k has a nonzero d_j. Whatever
the rest of column m is, at most one K_jm makes f_km vanish: 2^-20 a column, 2^-140 for all seven.
An f_km that does not vanish is below 2^101 < P, so at most one κ_km mod P makes the sums agree,
which has a chance of 2/2^127 at most. The sums of a false C agree with a chance below 2^-125,
for each key that somebody gets to try.

Words are cut into 16-bit limbs, so that a product with a column is exact in float64:
2^17 positions · 2^16 · 2^20 = 2^53. Source: linear universal hashing, Carter and Wegman, J. Comput.
Syst. Sci. 18(2), 1979; many equations checked by one random combination, as in batch verification,
Bellare, Garay, Rabin, EUROCRYPT 1998.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import CHUNK_COEFFICIENTS

CHECKSUM_BYTES = 16
MODULUS = (1 << 127) - 1  # P

Words = npt.NDArray[np.uint64]

_COLUMNS, _COLUMN_BITS = 7, 20
_LIMBS, _LIMB_BITS = 4, 16
_BATCH = 4_096  # positions whose limbs stay in a core's cache


class ChecksumKey:
    """K and κ, expanded from 32 bytes. They are public, but only once the vectors are fixed.

    The labels of its streams say "fingerprint": they are part of the format.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._columns = np.empty((_COLUMNS, 0))

    def of_chunk(self, chunk: int, words: Words) -> int:
        """One chunk's part of a checksum, Σ_m κ_m · f_m mod P.

        words: uint64, shape (count,), count <= 2^17; raises ValueError if there are more.
        """
        if len(words) > CHUNK_COEFFICIENTS:
            raise ValueError(f"{len(words)} words in a chunk, at most {CHUNK_COEFFICIENTS}")
        columns = self._first(len(words))
        limbs = words.astype("<u8", copy=False).view("<u2").reshape(-1, _LIMBS)
        dots = np.zeros((_COLUMNS, _LIMBS))  # of integers below 2^53
        for start in range(0, len(words), _BATCH):
            batch = limbs[start : start + _BATCH].astype(np.float64)
            dots += columns[:, start : start + len(batch)] @ batch
        total = 0
        for multiplier, row in zip(self._multipliers(chunk), dots.tolist(), strict=True):
            total += multiplier * sum(int(dot) << (_LIMB_BITS * k) for k, dot in enumerate(row))
        return total % MODULUS

    def _first(self, count: int) -> npt.NDArray[np.float64]:
        """K of the first ``count`` positions, transposed, shape (7, count)."""
        if self._columns.shape[1] < count:
            stream = Keystream(self._seed, "fingerprint columns")
            words = stream.uint32(count * _COLUMNS) >> np.uint32(32 - _COLUMN_BITS)
            self._columns = np.ascontiguousarray(words.reshape(count, _COLUMNS).T, dtype=np.float64)
        return self._columns[:, :count]

    def _multipliers(self, chunk: int) -> list[int]:
        """κ of a chunk, uniform in [0, 2^127)."""
        data = Keystream(self._seed, "fingerprint multipliers", chunk).bytes(
            _COLUMNS * CHECKSUM_BYTES
        )
        parts = range(0, len(data), CHECKSUM_BYTES)
        return [int.from_bytes(data[k : k + CHECKSUM_BYTES], "little") & MODULUS for k in parts]


class Checksum:
    """The checksum of one vector, as its chunks come."""

    def __init__(self, key: ChecksumKey) -> None:
        self._key = key
        self.value = 0  # of the chunks so far, in [0, P)

    def add(self, chunk: int, words: Words) -> None:
        """Take one chunk; each of a vector's once, in any order. Raises as ``of_chunk`` does."""
        self.value = (self.value + self._key.of_chunk(chunk, words)) % MODULUS


def sum_checksums(checksums: Iterable[int]) -> int:
    """The checksum of the sum of vectors."""
    return sum(checksums) % MODULUS


def write_checksum(value: int) -> bytes:
    """A checksum as it is sent."""
    return value.to_bytes(CHECKSUM_BYTES, "big")


def read_checksum(data: bytes) -> int | None:
    """A checksum that was sent; None for other bytes than 16 that are a number below P."""
    value = int.from_bytes(data, "big")
    return value if len(data) == CHECKSUM_BYTES and value < MODULUS else None
