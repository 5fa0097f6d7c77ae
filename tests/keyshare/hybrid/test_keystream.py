"""Random bytes: AES-256 in counter mode, whatever the pieces in which they are read."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given
from hypothesis import strategies as st

from keyshare.hybrid import keystream
from keyshare.hybrid.keystream import Keystream
from tests.keyshare.hybrid.plain_lattice import Bytes
from tests.stage.toy import seed_of

SEED = seed_of("keystream")


def test_the_cipher_is_that_of_sp_800_38a(monkeypatch):
    """F.5.5, CTR-AES256: plaintexts are 0 here, so that the output blocks are seen themselves."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    counter = CTR(bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"))
    monkeypatch.setattr(keystream, "derive_key", lambda *labels: key)
    monkeypatch.setattr(keystream, "CTR", lambda first: counter)
    blocks = "0bdf7df1591716335e9a8b15c860c502", "5a6e699d536119065433863c8f657b94"
    assert Keystream(SEED, "nist").bytes(32).hex() == "".join(blocks)


def test_the_counter_begins_at_0_and_goes_on():
    assert Keystream(SEED, "a", 7).bytes(1000) == Bytes(SEED, "a", 7).take(1000)


def test_a_long_read_is_what_single_blocks_give_across_its_pieces():
    count = (1 << 20) + 48
    assert Keystream(SEED).bytes(count)[-96:] == Bytes(SEED).take(count)[-96:]


@given(st.lists(st.integers(0, 70), max_size=12))
def test_the_bytes_do_not_depend_on_how_they_are_read(sizes):
    stream = Keystream(SEED, "pieces")
    pieces = b"".join(stream.bytes(size) for size in sizes)
    assert pieces == Keystream(SEED, "pieces").bytes(sum(sizes))


def test_words_are_little_endian_and_go_on_where_the_last_ended():
    data = bytes(Keystream(SEED, "words").bytes(6 + 12 + 8))
    stream = Keystream(SEED, "words")
    assert stream.uint16(3).tolist() == [
        int.from_bytes(data[k : k + 2], "little") for k in (0, 2, 4)
    ]
    assert stream.uint32(3).tolist() == np.frombuffer(data[6:18], "<u4").tolist()
    signed = [int.from_bytes(data[k : k + 4], "little", signed=True) for k in (18, 22)]
    assert stream.int32(2).tolist() == signed


@pytest.mark.parametrize(
    "other",
    [("error", "hybrid", 1), ("error", "hybrid", "0"), ("errorhybrid", 0), ("error", "hybrid"),
     ("secret", "hybrid", 0), ("error", "hybrid", b"0"), ("error", "hybrid", 0, 0)],
)  # fmt: skip
def test_other_labels_give_other_bytes(other):
    assert Keystream(SEED, *other).bytes(16) != Keystream(SEED, "error", "hybrid", 0).bytes(16)


def test_another_seed_gives_other_bytes():
    assert Keystream(SEED, "a").bytes(16) != Keystream(seed_of("other"), "a").bytes(16)


def test_its_text_shows_no_secret():
    assert repr(Keystream(SEED, "a")) == "Keystream(<secret>)"
