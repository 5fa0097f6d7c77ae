"""The one way to hash a list of byte strings, and to draw public numbers from a hash."""

import hashlib
from collections.abc import Iterable
from functools import cache
from operator import index

from gmpy2 import mpz


class Digest:
    """SHA-256 over a domain and byte strings, each preceded by its length in 8 bytes."""

    def __init__(self, domain: str) -> None:
        self._state = _begun(domain).copy()

    def add(self, *parts: bytes) -> None:
        """Hash the next byte strings."""
        for part in parts:
            self._state.update(len(part).to_bytes(8, "big"))
            self._state.update(part)

    def add_numbers(self, numbers: Iterable[mpz]) -> None:
        """The same of numbers >= 0, each as ``number_bytes`` gives it, with one call for all."""
        said = list[bytes]()
        for number in numbers:
            size = (number.bit_length() + 7) // 8
            said += size.to_bytes(8, "big"), number.to_bytes(size, "big")
        self._state.update(b"".join(said))

    @property
    def value(self) -> bytes:
        """The hash of all that was added: 32 bytes."""
        return self._state.digest()


@cache
def _begun(domain: str) -> "hashlib._Hash":
    """What has hashed a domain alone; there are few."""
    name = domain.encode()
    return hashlib.sha256(len(name).to_bytes(8, "big") + name)


def digest(domain: str, *parts: bytes) -> bytes:
    """The ``Digest`` of a domain and byte strings."""
    state = Digest(domain)
    state.add(*parts)
    return state.value


def expand(key: bytes, count: int, bits: int) -> list[mpz]:
    """So many numbers of so many bits, a multiple of 8, from SHAKE-256 of a digest."""
    size = bits // 8
    data = hashlib.shake_256(key).digest(size * count)
    return [mpz.from_bytes(data[k : k + size], "big") for k in range(0, len(data), size)]


def number_bytes(value: int | mpz) -> bytes:
    """A number >= 0 in as few big-endian bytes as hold it; none for 0."""
    number = index(value)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
