"""Digests in words that two people can compare over the telephone."""

import difflib
import re
from functools import cache

from mnemonic import Mnemonic

from protocol.words import shown

FINGERPRINT_BYTES = 16
_WORDS = 12


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
        return _of_hex(words[0])
    if len(words) != _WORDS:
        raise ValueError(f"a fingerprint has {_WORDS} words, and these are {len(words)}")
    for place, word in enumerate(words, start=1):
        if word not in _known():
            near = difflib.get_close_matches(word, _known(), 1)
            meant = f". Is it {near[0]!r}?" if near else ""
            raise ValueError(f"word {place}, {shown(word)!r}, is none of a fingerprint{meant}")
    try:
        return bytes(_english().to_entropy(words))
    except ValueError:  # the checksum that the last word holds
        raise ValueError(
            "these words are no fingerprint, though each of them may be in one: one is another, "
            "or two have changed places. Compare them with the source"
        ) from None


def _of_hex(text: str) -> bytes:
    least, most = 2 * FINGERPRINT_BYTES, 4 * FINGERPRINT_BYTES
    if not re.fullmatch("[0-9a-f]*", text):
        raise ValueError(f"a fingerprint is {_WORDS} words between quotation marks, or hex digits")
    if not least <= len(text) <= most or len(text) % 2:
        raise ValueError(f"a fingerprint in hex has {least} to {most} digits, this {len(text)}")
    return bytes.fromhex(text)


@cache
def _known() -> dict[str, None]:
    """The words there are, in their order."""
    return dict.fromkeys(_english().wordlist)


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")
