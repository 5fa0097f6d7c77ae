"""A one-time key in a few Paillier plaintexts: signed coefficients in slots of w bits.

    P = Σ_l s_l·2^(w·l) mod N,   Σ_i P_i mod N = Σ_l S_l·2^(w·l)  for S = Σ_i s_i, |S_l| < 2^(w-1)

A negative P is the residue N - |P|. Slots leave two bits of N free, so |P| < N/2.
"""

from collections.abc import Sequence

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from keyshare.errors import CorruptSum
from keyshare.hybrid.lattice import Lattice


def slots(lattice: Lattice, key_bits: int) -> int:
    """Coefficients in a plaintext under a modulus of ``key_bits`` bits."""
    return (key_bits - 2) // lattice.key_slot_bits


def key_ciphertext_count(lattice: Lattice, key_bits: int) -> int:
    """Plaintexts that a key fills, whatever the length of the vector."""
    return -(-lattice.ring.degree // slots(lattice, key_bits))


def pack_key(digits: npt.NDArray[np.int64], lattice: Lattice, n: mpz) -> list[mpz]:
    """The plaintexts of a key, each in [0, N). digits: int64, shape (N,), |s| < 2^(w-1)."""
    width, size = lattice.key_slot_bits, slots(lattice, n.bit_length())
    half = 1 << (width - 1)
    raised = (digits + half).tolist()
    parts = [raised[start : start + size] for start in range(0, len(raised), size)]
    return [(gmpy2.pack(part, width) - _offset(len(part), width)) % n for part in parts]


def unpack_key(plaintexts: Sequence[mpz], lattice: Lattice, n: mpz) -> npt.NDArray[np.int64]:
    """The coefficients of a sum of keys, int64, shape (N,). Raises CorruptSum."""
    width, size = lattice.key_slot_bits, slots(lattice, n.bit_length())
    degree, half = lattice.ring.degree, 1 << (width - 1)
    if len(plaintexts) != key_ciphertext_count(lattice, n.bit_length()):
        raise CorruptSum(f"{len(plaintexts)} plaintexts for a key")
    digits = np.zeros(degree, dtype=np.int64)
    for position, plaintext in enumerate(plaintexts):
        start = position * size
        used = min(size, degree - start)
        signed = plaintext - n if plaintext > n // 2 else plaintext
        raised = signed + _offset(used, width)
        if raised < 0 or raised.bit_length() > used * width:
            raise CorruptSum("a key beyond its slots", position)
        found = [int(slot) for slot in gmpy2.unpack(mpz(raised), width)] if raised else []
        digits[start : start + len(found)] = found
    return digits - half


def _offset(count: int, width: int) -> mpz:
    """2^(w-1) in each of ``count`` slots: what makes signed coefficients non-negative."""
    return gmpy2.pack([1 << (width - 1)] * count, width)
