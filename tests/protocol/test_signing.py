"""Signatures fit one key, one domain, one list of parts."""

import pytest

from protocol.errors import BadSignature
from protocol.signing import public_bytes, sign, verify
from tests.stage.toy import toy_federation

KEYS = toy_federation().keys
PUBLIC = public_bytes(KEYS[1])
SIGNATURE = sign(KEYS[1], "domain", b"ab", b"c")


def test_a_signature_fits_what_was_signed():
    verify(PUBLIC, SIGNATURE, 1, "domain", b"ab", b"c")
    assert sign(KEYS[1], "domain", b"ab", b"c") == SIGNATURE


@pytest.mark.parametrize(
    ("public", "signature", "domain", "parts"),
    [
        (public_bytes(KEYS[2]), SIGNATURE, "domain", (b"ab", b"c")),
        (PUBLIC, SIGNATURE, "other", (b"ab", b"c")),
        (PUBLIC, SIGNATURE, "domain", (b"a", b"bc")),
        (PUBLIC, SIGNATURE, "domain", (b"abc",)),
        (PUBLIC, SIGNATURE, "domain", (b"ab", b"d")),
        (PUBLIC, SIGNATURE[:-1], "domain", (b"ab", b"c")),
        (PUBLIC, b"", "domain", (b"ab", b"c")),
        (PUBLIC[:-1], SIGNATURE, "domain", (b"ab", b"c")),
        (b"\xff" * 32, SIGNATURE, "domain", (b"ab", b"c")),
    ],
)
def test_a_signature_fits_nothing_else(public, signature, domain, parts):
    with pytest.raises(BadSignature) as raised:
        verify(public, signature, 4, domain, *parts)
    assert (raised.value.sender, raised.value.what) == (4, domain)


def test_a_flipped_bit_anywhere_in_a_signature_is_noticed():
    for bit in range(8 * len(SIGNATURE)):
        damaged = bytearray(SIGNATURE)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            verify(PUBLIC, bytes(damaged), 1, "domain", b"ab", b"c")
