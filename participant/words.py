"""Digests in words that two people can compare over the telephone."""

from __future__ import annotations

from functools import cache

from mnemonic import Mnemonic

FINGERPRINT_BYTES = 16


def fingerprint(digest: bytes) -> str:
    """Twelve BIP-39 English words for the first 16 bytes of a digest; the last holds a checksum.

    Raises ValueError if the digest is shorter.
    """
    if len(digest) < FINGERPRINT_BYTES:
        raise ValueError(f"a digest of {len(digest)} bytes, at least {FINGERPRINT_BYTES} needed")
    return _english().to_mnemonic(digest[:FINGERPRINT_BYTES])


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")
