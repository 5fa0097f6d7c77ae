"""The one way to hash a list of byte strings."""

from __future__ import annotations

import hashlib

from gmpy2 import mpz


def digest(domain: str, *parts: bytes) -> bytes:
    """SHA-256 over a domain and byte strings, each preceded by its length in 8 bytes."""
    state = hashlib.sha256()
    for part in (domain.encode(), *parts):
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def number_bytes(value: int | mpz) -> bytes:
    """A number >= 0 in as few big-endian bytes as hold it; none for 0."""
    return int(value).to_bytes((int(value).bit_length() + 7) // 8, "big")
