"""Many random bytes fast: AES-256 in counter mode, a key for each purpose and chunk.

The key is derived from a seed and labels (``randomness.derive_key``), the counter begins at 0, no
key is used for two streams, and the bytes are the same on every platform. Source: NIST SP 800-38A.
"""

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from keyshare.randomness import derive_key

_ZEROS = bytes(1 << 20)


class Keystream:
    """The bytes of one purpose, in order."""

    def __init__(self, seed: bytes, *labels: str | int | bytes) -> None:
        key = derive_key(seed, "keystream", *labels)
        self._encryptor = Cipher(AES256(key), CTR(bytes(16))).encryptor()

    def __repr__(self) -> str:
        return "Keystream(<secret>)"

    def bytes(self, count: int) -> bytearray:
        """The next ``count`` bytes."""
        data = bytearray(count)
        view = memoryview(data)
        for start in range(0, count, len(_ZEROS)):
            part = view[start : start + len(_ZEROS)]
            self._encryptor.update_into(memoryview(_ZEROS)[: len(part)], part)
        return data

    def uint16(self, count: int) -> npt.NDArray[np.uint16]:
        """The next ``count`` little-endian words of 16 bits."""
        return np.frombuffer(self.bytes(2 * count), dtype="<u2")

    def uint32(self, count: int) -> npt.NDArray[np.uint32]:
        """The next ``count`` little-endian words of 32 bits."""
        return np.frombuffer(self.bytes(4 * count), dtype="<u4")

    def int32(self, count: int) -> npt.NDArray[np.int32]:
        """The next ``count`` little-endian words of 32 bits, signed."""
        return np.frombuffer(self.bytes(4 * count), dtype="<i4")
