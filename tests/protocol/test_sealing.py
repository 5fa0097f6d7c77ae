"""Sealed payloads open for their recipient, in their place, whole, and nowhere else."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import BadSeal, Malformed
from protocol.sealing import PUBLIC_BYTES, SealContext, SealingKey, check_public, seal
from tests.stage.toy import seed_of

CONTEXT = SealContext(b"f" * 32, "ceremony/1", "units/0/0", 2, 3)
KEY, OTHER = SealingKey(seed_of("sealing", 3)), SealingKey(seed_of("sealing", 4))
# Points of order 1, 2, 4 and 8 on Curve25519 [RFC 7748 §6.1, check of the all-zero value].
SMALL_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]


@settings(max_examples=20, deadline=None)
@given(payload=st.binary(max_size=5_000))
def test_what_is_sealed_opens_in_its_place(payload):
    assert KEY.unseal(seal(KEY.public, payload, CONTEXT), CONTEXT) == payload


@pytest.mark.parametrize(
    "changes",
    [
        {"federation": b"g" * 32},
        {"session": "ceremony/2"},
        {"what": "units/0/1"},
        {"sender": 1},
        {"recipient": 4},
    ],
)
def test_a_payload_opens_in_no_other_place(changes):
    sealed = seal(KEY.public, b"share", CONTEXT)
    elsewhere = msgspec.structs.replace(CONTEXT, **changes)
    with pytest.raises(BadSeal) as raised:
        KEY.unseal(sealed, elsewhere)
    assert (raised.value.sender, raised.value.what) == (elsewhere.sender, elsewhere.what)


def test_a_payload_opens_for_nobody_else():
    with pytest.raises(BadSeal):
        OTHER.unseal(seal(KEY.public, b"share", CONTEXT), CONTEXT)


def test_a_flipped_bit_anywhere_closes_the_seal():
    sealed = seal(KEY.public, b"share", CONTEXT)
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(BadSeal):
            KEY.unseal(bytes(damaged), CONTEXT)


def test_a_seal_cut_short_or_lengthened_does_not_open():
    sealed = seal(KEY.public, b"share", CONTEXT)
    for damaged in (*(sealed[:k] for k in range(0, len(sealed), 7)), sealed + b"\0"):
        with pytest.raises(BadSeal):
            KEY.unseal(damaged, CONTEXT)


def test_equal_payloads_have_different_seals():
    assert seal(KEY.public, b"share", CONTEXT) != seal(KEY.public, b"share", CONTEXT)


def test_a_sealing_key_follows_from_its_seed():
    again = SealingKey(seed_of("sealing", 3))
    assert again.public == KEY.public != OTHER.public
    assert again.unseal(seal(KEY.public, b"share", CONTEXT), CONTEXT) == b"share"
    assert len(KEY.public) == PUBLIC_BYTES


@pytest.mark.parametrize(
    "public",
    [
        b"",
        KEY.public[:-1],
        KEY.public + b"\0",
        b"\xff" * PUBLIC_BYTES,  # coefficients beyond q
        *(KEY.public[:-32] + point for point in SMALL_ORDER),
    ],
)
def test_what_nothing_can_be_sealed_to_is_no_public_key(public):
    with pytest.raises(Malformed):
        check_public(public)
    with pytest.raises(Malformed):
        seal(public, b"share", CONTEXT)


def test_a_sealing_key_shows_no_secret():
    assert repr(KEY) == "SealingKey(<secret>)"
