"""Many small values in one plaintext, with room for the sum of all members.

    plaintext = Σ_k value_k · 2^(k·slot_bits),   slot_bits = value_bits + ⌈log2 n_members⌉

Sums of at most n_members values below 2^value_bits stay below 2^slot_bits: no slot carries into
the next, and adding plaintexts adds slot by slot.

*Blinded* plaintexts have the first values alone, the head, and random numbers in place of all
others. Their sum with any others shows the sum of the heads, and nothing else: a plaintext without
a head is uniform modulo N. Where the head shares the first plaintext with other values, what is
added above it is uniform below 2^128 times what n_members honest values can add up to, so that its
sum with them is within 2^-128 of one that does not depend on them; ``reserve`` slots on top of that
plaintext have room for it. A head that has no room beside them has plaintexts of its own, with
nothing to hide. (So it is with keys too small to protect anything.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from keyshare.errors import BadParameters, BadPlaintext, CorruptSum
from keyshare.randomness import Stream

_MAX_SLOT_BITS = 62  # a sum is an int64
_HIDING_BITS = 128  # by which what blinds a number is longer


@dataclass(frozen=True)
class Packing:
    """``slots`` slots of ``slot_bits`` bits in a plaintext, ``value_bits`` of them for a value.

    head: how many values are the head, 1 or more. Raises BadParameters.
    """

    slot_bits: int
    slots: int
    value_bits: int
    head: int

    def __post_init__(self) -> None:
        if not 1 <= self.value_bits <= self.slot_bits:
            raise BadParameters("value_bits", self.value_bits, f"1 to {self.slot_bits}")
        if self.slot_bits > _MAX_SLOT_BITS:
            raise BadParameters("slot_bits", self.slot_bits, f"1 to {_MAX_SLOT_BITS}")
        if self.slots < 1:
            raise BadParameters("slots", self.slots, "1 or more")
        if self.head < 1:
            raise BadParameters("head", self.head, "1 or more")

    @property
    def reserve(self) -> int:
        """Slots that what blinds the first plaintext takes beyond the values'."""
        of_sum = self.slot_bits - self.value_bits
        return -(-(_HIDING_BITS + of_sum) // self.slot_bits)

    @property
    def first(self) -> int:
        """Values in the plaintexts that hold the head, with the head's own."""
        return max(self.head, self.slots - self.reserve)

    @classmethod
    def choose(cls, key_bits: int, value_bits: int, n_members: int, head: int) -> Self:
        """The most slots that fit under a modulus of exactly ``key_bits`` bits.

        A full plaintext, and the sum of ``n_members`` first ones, blinded or not, is below
        2^(key_bits-2) < N/2. Raises BadParameters.
        """
        if n_members < 1:
            raise BadParameters("n_members", n_members, "1 or more")
        slot_bits = value_bits + (n_members - 1).bit_length()  # ⌈log2 n_members⌉
        if value_bits < 1:
            raise BadParameters("value_bits", value_bits, "1 or more")
        return cls(slot_bits, (key_bits - 2) // slot_bits, value_bits, head)


def ciphertext_count(count: int, packing: Packing) -> int:
    """The plaintexts that ``count`` values fill."""
    first = min(count, packing.first)
    return -(-first // packing.slots) + -(-(count - first) // packing.slots)


def pack(values: npt.NDArray[np.int64], packing: Packing) -> list[mpz]:
    """Plaintexts of the values, in order; the last one's unused slots are 0.

    values: int64, shape (count,), each in [0, 2^value_bits). Raises BadPlaintext.
    """
    outside = values >> packing.value_bits != 0  # -1 or less for a negative value
    if outside.any():
        reason = f"a value is not within 0 to 2^{packing.value_bits} - 1"
        raise BadPlaintext(reason, int(np.argmax(outside)))
    slots = values.tolist()
    return [gmpy2.pack(slots[a:b], packing.slot_bits) for a, b in _spans(len(slots), packing)]


def blind(
    head: npt.NDArray[np.int64], count: int, packing: Packing, n: mpz, stream: Stream
) -> list[mpz]:
    """Plaintexts in [0, N) of ``count`` values' form, with the head alone: the first values.

    head: int64, shape (packing.head,), each in [0, 2^value_bits). Raises BadPlaintext.
    """
    plaintexts = pack(head, packing)
    beside = min(count, packing.first) - packing.head  # values that share a plaintext with it
    if beside > 0:
        hiding = stream.bits(beside * packing.slot_bits + _HIDING_BITS)
        plaintexts[0] += hiding << (packing.head * packing.slot_bits)
    missing = ciphertext_count(count, packing) - len(plaintexts)
    return plaintexts + [stream.below(n) for _ in range(missing)]


def read_head(plaintexts: Sequence[mpz], packing: Packing) -> npt.NDArray[np.int64]:
    """The head of a sum of plaintexts, whatever lies above it; int64, shape (packing.head,).

    Raises CorruptSum if a plaintext is missing, or negative.
    """
    spans = _spans(packing.head, packing)
    parts = [
        gmpy2.f_mod_2exp(mpz(plaintext), (stop - start) * packing.slot_bits)
        for plaintext, (start, stop) in zip(plaintexts, spans, strict=False)
        if plaintext >= 0
    ]
    return unpack(parts, packing, packing.head)


def unpack(plaintexts: Sequence[mpz], packing: Packing, count: int) -> npt.NDArray[np.int64]:
    """The ``count`` slots of the plaintexts (or of sums of plaintexts), shape (count,).

    Raises CorruptSum for another number of plaintexts than ``count`` values fill, or for bits
    above the slots in use.
    """
    if len(plaintexts) != ciphertext_count(count, packing):
        raise CorruptSum(f"{len(plaintexts)} plaintexts for {count} values")
    values = np.zeros(count, dtype=np.int64)
    spans = _spans(count, packing)
    for position, (plaintext, (start, stop)) in enumerate(zip(plaintexts, spans, strict=True)):
        if plaintext < 0 or plaintext.bit_length() > (stop - start) * packing.slot_bits:
            raise CorruptSum("bits above the slots in use", position)
        found = gmpy2.unpack(mpz(plaintext), packing.slot_bits)
        values[start : start + len(found)] = [int(slot) for slot in found]
    return values


def _spans(count: int, packing: Packing) -> list[tuple[int, int]]:
    """Where the values of each plaintext begin and end among all."""
    first = min(count, packing.first)
    starts = [*range(0, first, packing.slots), *range(first, count, packing.slots)]
    return [*zip(starts, [*starts[1:], count], strict=True)] if starts else []
