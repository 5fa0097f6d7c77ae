"""Deterministic randomness: everything that a party draws comes from one secret seed."""

import hashlib
from typing import Self

import gmpy2
from gmpy2 import mpz

_BLOCK_BYTES = 1_088  # eight blocks of the sponge
_SLACK_BITS = 128  # extra bits before a reduction, so that the bias is below 2^-128


class Stream:
    """An endless stream of pseudorandom bytes, SHAKE-256(key ‖ block number).

    Two streams with equal keys give equal draws in equal order; that is what lets a restarted
    party say again exactly what it said before.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("a stream key has 32 bytes")
        self._key = key
        self._block = 0
        self._buffer = b""
        self._offset = 0

    def __repr__(self) -> str:
        return "Stream(<secret>)"

    @classmethod
    def derive(cls, seed: bytes, *labels: str | int | bytes) -> Self:
        """The stream of a purpose; distinct label lists give independent streams."""
        return cls(derive_key(seed, *labels))

    def bytes(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        while len(self._buffer) - self._offset < count:
            block = self._key + self._block.to_bytes(8, "big")
            fresh = hashlib.shake_256(block).digest(_BLOCK_BYTES)
            self._buffer = self._buffer[self._offset :] + fresh
            self._offset = 0
            self._block += 1
        start = self._offset
        self._offset += count
        return self._buffer[start : self._offset]

    def bits(self, count: int) -> mpz:
        """A number in [0, 2^count)."""
        size = (count + 7) // 8
        return mpz(int.from_bytes(self.bytes(size), "big")) >> (8 * size - count)

    def below(self, bound: int | mpz) -> mpz:
        """A number in [0, bound), with a bias below 2^-128."""
        if bound < 1:
            raise ValueError("the bound of a draw is at least 1")
        return self.bits((bound - 1).bit_length() + _SLACK_BITS) % bound

    def unit(self, modulus: int | mpz) -> mpz:
        """A number in [1, modulus) that is coprime to the modulus."""
        while True:
            value = self.below(modulus)
            if gmpy2.gcd(value, modulus) == 1:
                return value


def derive_key(seed: bytes, *labels: str | int | bytes) -> bytes:
    """32 bytes bound to the seed and to a list of labels (lengths and types are encoded)."""
    parts = [len(seed).to_bytes(8, "big"), seed]
    for label in labels:
        tag, data = _label_bytes(label)
        parts += [tag, len(data).to_bytes(8, "big"), data]
    return hashlib.shake_256(b"".join(parts)).digest(32)


def _label_bytes(label: str | int | bytes) -> tuple[bytes, bytes]:
    if isinstance(label, str):
        return b"s", label.encode()
    if isinstance(label, int):
        return b"i", str(label).encode()
    return b"b", label
