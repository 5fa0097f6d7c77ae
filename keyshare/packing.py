"""Many small values in one plaintext, with room for the sum of all members.

    plaintext = Σ_k value_k · 2^(k·slot_bits),   slot_bits = value_bits + ⌈log2 n_members⌉

Sums of at most n_members values below 2^value_bits stay below 2^slot_bits: no slot carries into
the next, and adding plaintexts adds slot by slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from keyshare.errors import BadParameters, CorruptSum, ValueTooLarge

_MAX_SLOT_BITS = 62  # a sum is an int64


@dataclass(frozen=True)
class Packing:
    """``slots`` slots of ``slot_bits`` bits in a plaintext, ``value_bits`` of them for a value."""

    slot_bits: int
    slots: int
    value_bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.value_bits <= self.slot_bits:
            raise BadParameters("value_bits", self.value_bits, f"1 to {self.slot_bits}")
        if self.slot_bits > _MAX_SLOT_BITS:
            raise BadParameters("slot_bits", self.slot_bits, f"1 to {_MAX_SLOT_BITS}")
        if self.slots < 1:
            raise BadParameters("slots", self.slots, "1 or more")

    @classmethod
    def choose(cls, key_bits: int, value_bits: int, n_members: int) -> Self:
        """The most slots that fit under a modulus of exactly ``key_bits`` bits.

        A full plaintext is below 2^(key_bits-2) < N/2. Raises BadParameters.
        """
        if n_members < 1:
            raise BadParameters("n_members", n_members, "1 or more")
        slot_bits = value_bits + (n_members - 1).bit_length()  # ⌈log2 n_members⌉
        if value_bits < 1:
            raise BadParameters("value_bits", value_bits, "1 or more")
        return cls(slot_bits, (key_bits - 2) // slot_bits, value_bits)


def ciphertext_count(count: int, packing: Packing) -> int:
    """⌈count / slots⌉, the plaintexts that ``count`` values fill."""
    return -(-count // packing.slots)


def pack(values: npt.NDArray[np.int64], packing: Packing) -> list[mpz]:
    """Plaintexts of the values, in order; the last one's unused slots are 0.

    values: int64, shape (count,), each in [0, 2^value_bits). Raises ValueTooLarge.
    """
    outside = values >> packing.value_bits != 0  # -1 or less for a negative value
    if outside.any():
        raise ValueTooLarge(int(np.argmax(outside)), packing.value_bits)
    slots = values.tolist()
    return [
        gmpy2.pack(slots[start : start + packing.slots], packing.slot_bits)
        for start in range(0, len(slots), packing.slots)
    ]


def unpack(plaintexts: Sequence[mpz], packing: Packing, count: int) -> npt.NDArray[np.int64]:
    """The ``count`` slots of the plaintexts (or of sums of plaintexts), shape (count,).

    Raises CorruptSum for another number of plaintexts than ``count`` values fill, or for bits
    above the slots in use.
    """
    if len(plaintexts) != ciphertext_count(count, packing):
        raise CorruptSum(f"{len(plaintexts)} plaintexts for {count} values")
    values = np.zeros(count, dtype=np.int64)
    for position, plaintext in enumerate(plaintexts):
        start = position * packing.slots
        used = min(packing.slots, count - start)
        if plaintext < 0 or plaintext.bit_length() > used * packing.slot_bits:
            raise CorruptSum("bits above the slots in use", position)
        found = gmpy2.unpack(mpz(plaintext), packing.slot_bits)
        values[start : start + len(found)] = [int(slot) for slot in found]
    return values
