"""Digests in words that two people can compare over the telephone."""

from __future__ import annotations

import re
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


def read_fingerprint(text: str) -> bytes:
    """The 16 bytes of twelve words, or 16 to 32 bytes in hex; raises ValueError on anything else.

    Words may be in any case and have any blanks between them.
    """
    words = text.lower().split()
    if len(words) == 1:
        data = bytes.fromhex(words[0]) if re.fullmatch("([0-9a-f]{2})*", words[0]) else b""
        if not FINGERPRINT_BYTES <= len(data) <= 2 * FINGERPRINT_BYTES:
            raise ValueError("a fingerprint in hex has 32 to 64 digits")
        return data
    try:
        data = bytes(_english().to_entropy(words))
    except (ValueError, LookupError) as error:
        raise ValueError(f"these words are no fingerprint: {error}") from None
    if len(data) != FINGERPRINT_BYTES:
        raise ValueError(f"a fingerprint has twelve words, not {len(words)}")
    return data


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")
