"""A one-time additive key: encrypts one vector, and adds up with the others' keys.

    c_j = ⌊(a_j·s + e_j + Δ·m_j + 2^(d-1)) / 2^d⌋ mod q/2^d,     a_j expanded from a public context

With S = Σ s_i, C_j = Σ c_ij and M_j = Σ m_ij of n contributors,

    2^d·C_j - a_j·S - ⌊n/2⌋ = Δ·M_j + E_j mod q,   |E_j| <= E_max

where ⌊n/2⌋ is there if d > 0: rounding halves up, each contribution is 1/2 too large in the mean.

The seed of a key is drawn for one vector and never again: the same s with another message shows the
difference of the two. Weights are in chunks of ``lattice.chunk_weights``; coefficient l of a chunk
carries Σ_j weight_(k·l+j) · R^j. Source: docs/how-it-works/hybrid.md; additive one-time keys as in
SASH (2022), LERNA (2023) and Willow (eprint 2024/936).

A *blinded* vector has the first weights alone, the head, and uniform words in place of all other
coefficients. Its sum with any others shows the sum of the heads, and nothing else.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import numpy.typing as npt

from keyshare.errors import BadPlaintext, CorruptSum
from keyshare.hybrid.gaussian import sample
from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import Lattice, Ring
from keyshare.hybrid.negacyclic import Multiplier

Values = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_BATCH_BLOCKS = 16  # whose arrays stay in a core's cache
_SPREAD = 10  # standard deviations that a block's Σ E² may be away from its mean


class OneTimeKey:
    """One hospital's s for one contribution; everything secret in it follows from the seed."""

    def __init__(self, lattice: Lattice, seed: bytes) -> None:
        self._lattice, self._seed = lattice, seed
        ring = lattice.ring
        self.secret = sample(Keystream(seed, "secret", ring.name), ring.degree).astype(np.int64)
        self._multiplier = Multiplier(self.secret)

    def __repr__(self) -> str:
        return "OneTimeKey(<secret>)"

    def encrypt(self, chunk: int, values: Values, context: bytes) -> bytes:
        """One chunk of a contribution.

        values: int64, shape (count,), 1 <= count <= lattice.chunk_weights, each in [0, levels).
        context: the 32 bytes that all members compute from the round. Raises BadPlaintext.
        """
        lattice, ring = self._lattice, self._lattice.ring
        outside = (values < 0) | (values >= lattice.levels)
        if outside.any():
            raise BadPlaintext("a value is not below its levels", int(np.argmax(outside)))
        blocks = -(-len(values) // lattice.block_weights)
        padded = np.zeros(blocks * lattice.block_weights, dtype=np.int64)
        padded[: len(values)] = values
        parts = padded.reshape(blocks, ring.degree, lattice.weights_per_coefficient)
        public = _PublicPolynomials(ring, context, chunk)
        errors = Keystream(self._seed, "error", ring.name, chunk)
        sent = []
        for start in range(0, blocks, _BATCH_BLOCKS):
            batch = parts[start : start + _BATCH_BLOCKS]
            total = public.times(self._multiplier, len(batch))
            total += sample(errors, len(batch) * ring.degree).reshape(total.shape)
            total += _message(batch, lattice) * lattice.delta
            if ring.dropped_bits:
                total += 1 << (ring.dropped_bits - 1)
            sent.append(_narrow(_reduced(total, ring), lattice.contribution_bytes))
        return b"".join(sent)

    def blind(self, chunk: int, head: Values, count: int, context: bytes) -> bytes:
        """One chunk of a contribution of ``count`` weights that has the head alone.

        head: as the values of ``encrypt``, for the first chunk; a multiple of k, so that no
        coefficient carries more than the head, and of one block at most.
        """
        lattice, clear = self._lattice, b""
        if chunk == 0:
            words = len(head) // lattice.weights_per_coefficient
            clear = self.encrypt(0, head, context)[: words * lattice.contribution_bytes]
        rest = lattice.contribution_chunk_bytes(chunk, count) - len(clear)
        return clear + Keystream(self._seed, "blinding", lattice.ring.name, chunk).bytes(rest)


class SummedKey:
    """S, the sum of the contributors' keys: it opens the sum of their vectors, nothing else."""

    def __init__(self, lattice: Lattice, digits: Values, contributors: int) -> None:
        """digits: S, int64, shape (N,). Raises CorruptSum if honest keys do not add up to it."""
        large = np.abs(digits) > lattice.max_key_digit
        if large.any():
            raise CorruptSum("coefficient of the summed key out of range", int(np.argmax(large)))
        self._lattice, self._contributors = lattice, contributors
        # Halves are rounded up, so each contribution is 1/2 too large in the mean.
        bias = contributors // 2 if lattice.ring.dropped_bits else 0
        self._centre = lattice.max_error - bias
        self._multiplier = Multiplier(digits)

    def __repr__(self) -> str:
        return "SummedKey(<secret>)"

    def open(self, chunk: int, data: bytes, count: int, context: bytes) -> Values:
        """The sums of one chunk's weights, int64, shape (count,).

        data: ``lattice.sum_chunk_bytes`` of it. Raises CorruptSum if it is not the sum of as many
        contributions under these keys.
        """
        lattice, ring = self._lattice, self._lattice.ring
        blocks = -(-count // lattice.block_weights)
        if len(data) != blocks * ring.degree * lattice.sum_bytes:
            raise CorruptSum(f"chunk {chunk} has {len(data)} bytes")
        coefficients = read_words(data, lattice.sum_bytes).reshape(blocks, ring.degree)
        public = _PublicPolynomials(ring, context, chunk)
        opened = np.empty((blocks, ring.degree, lattice.weights_per_coefficient), dtype=np.int64)
        for start in range(0, blocks, _BATCH_BLOCKS):
            message, error = self._opened(coefficients[start : start + _BATCH_BLOCKS], public)
            self._check_errors(error, chunk)
            _split(message, lattice, opened[start : start + _BATCH_BLOCKS], chunk)
        return opened.reshape(-1)[:count]

    def open_head(self, data: bytes, size: int, context: bytes) -> Values:
        """The sums of the first ``size`` weights, a multiple of k; int64, shape (size,).

        data: the first chunk, whose other coefficients may be blinded. Raises CorruptSum if it is
        too short for a block, or for a message of no weights.
        """
        lattice, ring = self._lattice, self._lattice.ring
        k = lattice.weights_per_coefficient
        block = data[: ring.degree * lattice.sum_bytes]
        if len(block) < ring.degree * lattice.sum_bytes:
            raise CorruptSum(f"chunk 0 has {len(data)} bytes")
        words = read_words(block, lattice.sum_bytes).reshape(1, ring.degree)
        message, _ = self._opened(words, _PublicPolynomials(ring, context, 0))
        opened = np.empty((1, size // k, k), dtype=np.int64)
        _split(message[:, : size // k], lattice, opened, 0)
        return opened.reshape(-1)

    def _opened(self, batch: Words, public: _PublicPolynomials) -> tuple[Values, Values]:
        """Messages and errors of the next blocks, shape (blocks, N) both."""
        lattice, ring = self._lattice, self._lattice.ring
        noisy = (batch << np.uint64(ring.dropped_bits)).view(np.int64)
        noisy = noisy - public.times(self._multiplier, len(batch)) + self._centre
        message, error = np.divmod(_reduced(noisy, ring, 0), np.uint64(lattice.delta))
        return message.view(np.int64), error.view(np.int64) - lattice.max_error

    def _check_errors(self, errors: Values, chunk: int) -> None:
        """Σ E² of each block near N·n·σ_tot², and |E| <= E_max.

        What is no sum of contributions under these keys has errors uniform in [-Δ/2, Δ/2): 33 times
        the variance. The bound alone would show next to nothing, as E_max is nearly Δ/2.
        """
        lattice = self._lattice
        if int(errors.max()) > lattice.max_error:
            raise CorruptSum("an error out of range in chunk", chunk)
        degree = lattice.ring.degree
        mean = float(Fraction(degree * self._contributors) * lattice.noise_variance)
        squares = np.einsum("ij,ij->i", errors.astype(np.float64), errors.astype(np.float64))
        if (np.abs(squares - mean) > _SPREAD * sqrt(2 / degree) * mean).any():
            raise CorruptSum("errors that no honest contributions have in chunk", chunk)


def add_chunk(
    total: npt.NDArray[np.uint64] | None, data: bytes, lattice: Lattice
) -> npt.NDArray[np.uint64]:
    """The running sum with one more contribution's chunk; None begins one. uint64, any shape."""
    coefficients = read_words(data, lattice.contribution_bytes)
    if total is None:
        return coefficients
    total += coefficients
    return total


def read_words(data: bytes, width: int) -> npt.NDArray[np.uint64]:
    """The words of a chunk, ``width`` <= 8 little-endian bytes each: uint64, shape (count,)."""
    padded = data + bytes(8 - width)
    words = np.ndarray((len(data) // width,), "<u8", padded, strides=(width,))
    return words & np.uint64((1 << (8 * width)) - 1)


def write_sum(total: npt.NDArray[np.uint64], lattice: Lattice) -> bytes:
    """A sum's chunk as it is stored and sent."""
    return _narrow(total, lattice.sum_bytes)


class _PublicPolynomials:
    """a_j of a chunk in order, as signed limbs: each word is uniform in [-2^(b-1), 2^(b-1)).

    a = Σ_k limb_k · 2^(bits below) mod q is then uniform. Every party expands it for itself from
    the round's context: an aggregator that chose a_j = 0 would read everything.
    """

    def __init__(self, ring: Ring, context: bytes, chunk: int) -> None:
        self._ring = ring
        self._stream = Keystream(context, "public polynomial", ring.name, chunk)

    def limbs(self, blocks: int) -> npt.NDArray[np.int32]:
        """The next polynomials, shape (blocks, limbs, N)."""
        ring = self._ring
        shape = (blocks, len(ring.limb_bits), ring.degree)
        words = self._stream.int32(blocks * len(ring.limb_bits) * ring.degree).reshape(shape)
        shifts = np.array([32 - bits for bits in ring.limb_bits], dtype=np.int32)
        return words >> shifts[None, :, None]

    def times(self, multiplier: Multiplier, blocks: int) -> Values:
        """The next polynomials times a small one, mod 2^64, shape (blocks, N)."""
        ring = self._ring
        limbs = self.limbs(blocks)
        products = multiplier.times(limbs.reshape(-1, ring.degree)).reshape(limbs.shape)
        total, shift = products[:, 0], ring.limb_bits[0]
        for k in range(1, len(ring.limb_bits)):
            total = total + (products[:, k] << shift)
            shift += ring.limb_bits[k]
        return total


def _message(batch: Values, lattice: Lattice) -> Values:
    """Σ_j weight_j · R^j, shape (blocks, N). batch: shape (blocks, N, k)."""
    message = batch[:, :, -1]
    for k in range(lattice.weights_per_coefficient - 2, -1, -1):
        message = message * lattice.radix + batch[:, :, k]
    return message


def _split(message: Values, lattice: Lattice, out: Values, chunk: int) -> None:
    """The inverse of ``_message``; raises CorruptSum for a message of no weights."""
    rest = message
    for k in range(lattice.weights_per_coefficient):
        rest, out[:, :, k] = np.divmod(rest, lattice.radix)
    if rest.any():
        raise CorruptSum("a message out of range in chunk", chunk)


def _reduced(total: Values, ring: Ring, dropped_bits: int | None = None) -> npt.NDArray[np.uint64]:
    """``total`` mod q without its lowest bits (d of them, unless told)."""
    found = total.view(np.uint64)
    if ring.modulus_bits < 64:
        found = found & np.uint64((1 << ring.modulus_bits) - 1)
    return found >> np.uint64(ring.dropped_bits if dropped_bits is None else dropped_bits)


def _narrow(values: npt.NDArray[np.uint64], width: int) -> bytes:
    """The ``width`` low bytes of each value, little-endian."""
    words = np.ascontiguousarray(values, dtype="<u8").reshape(-1)
    if width % 2 == 0:
        return words.view("<u2").reshape(-1, 4)[:, : width // 2].tobytes()
    return words.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
