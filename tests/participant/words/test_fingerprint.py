"""Fingerprints in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participant.words.fingerprint import fingerprint, read_fingerprint
from tests.stage.files import flipped


@pytest.mark.parametrize(
    ("entropy", "words"),
    [  # source: the test vectors of BIP-39, 128 bits
        ("00" * 16, "abandon " * 11 + "about"),
        ("7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
        ("ff" * 16, "zoo " * 11 + "wrong"),
    ],
)
def test_words_are_those_of_bip_39(entropy: str, words: str) -> None:
    assert fingerprint(bytes.fromhex(entropy)) == words


@given(st.binary(min_size=16, max_size=32))
def test_words_and_hex_are_read_back(digest: bytes) -> None:
    assert read_fingerprint(fingerprint(digest)) == digest[:16]
    assert read_fingerprint(digest.hex()) == digest


@pytest.mark.parametrize(
    "text", ["", "abandon " * 11 + "legal", "abandon " * 15 + "art", "ab" * 33]
)
def test_what_is_no_fingerprint_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        read_fingerprint(text)


def test_only_the_first_sixteen_bytes_count() -> None:
    assert fingerprint(bytes(16) + b"more") == fingerprint(bytes(16))


@given(st.binary(max_size=15))
def test_a_short_digest_is_refused(digest: bytes) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        fingerprint(digest)


@given(st.binary(min_size=16, max_size=32), st.integers(0, 127))
def test_every_bit_changes_the_words(digest: bytes, bit: int) -> None:
    assert fingerprint(flipped(digest, *divmod(bit, 8))) != fingerprint(digest)
    assert len(fingerprint(digest).split()) == 12
