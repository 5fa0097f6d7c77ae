"""Who may come in: the answer to a challenge."""

import msgspec
import pytest

from protocol.board.board import MIN_ENTRY_BYTES
from protocol.encoding import encode
from protocol.errors import BadSignature, Malformed
from protocol.signing import public_bytes
from protocol.wire.frames import (
    CHUNK_BYTES,
    MAX_FRAME_BYTES,
    BlobChunk,
    Challenge,
    Entries,
    Welcome,
    check_hello,
    decode_from_aggregator,
    decode_from_member,
    hello,
)
from tests.stage.toy import toy_federation

KEYS = toy_federation().keys
CHALLENGE = Challenge(b"f" * 32, b"n" * 32)
HELLO = hello(CHALLENGE, 2, b"i" * 16, "member", KEYS[2])
PUBLIC = public_bytes(KEYS[2])


def test_the_answer_to_a_challenge_fits_it():
    check_hello(HELLO, CHALLENGE, PUBLIC)
    read = decode_from_member(encode(HELLO))
    assert isinstance(read, type(HELLO))
    check_hello(read, CHALLENGE, PUBLIC)


@pytest.mark.parametrize(
    ("answer", "challenge", "public"),
    [
        (HELLO, Challenge(b"f" * 32, b"m" * 32), PUBLIC),
        (HELLO, Challenge(b"g" * 32, b"n" * 32), PUBLIC),
        (HELLO, CHALLENGE, public_bytes(KEYS[3])),
        (msgspec.structs.replace(HELLO, member=3), CHALLENGE, PUBLIC),
        (msgspec.structs.replace(HELLO, instance=b"j" * 16), CHALLENGE, PUBLIC),
        (msgspec.structs.replace(HELLO, purpose="status"), CHALLENGE, PUBLIC),
        (msgspec.structs.replace(HELLO, signature=bytes(64)), CHALLENGE, PUBLIC),
    ],
)
def test_it_fits_no_other_challenge_and_no_other_member(answer, challenge, public):
    with pytest.raises(BadSignature) as raised:
        check_hello(answer, challenge, public)
    assert raised.value.sender == answer.member


def test_neither_side_takes_the_other_sides_frames():
    with pytest.raises(Malformed):
        decode_from_member(encode(Welcome(0, bytes(32))))
    with pytest.raises(Malformed):
        decode_from_aggregator(encode(HELLO))


def test_a_frame_cannot_consist_of_entries_too_small_to_be_any():
    shortest = encode(Entries((bytes(MIN_ENTRY_BYTES),), 1))
    assert decode_from_aggregator(shortest).entries == (bytes(MIN_ENTRY_BYTES),)
    with pytest.raises(Malformed):
        decode_from_aggregator(encode(Entries((bytes(MIN_ENTRY_BYTES - 1),), 1)))


def test_a_frame_larger_than_allowed_is_refused_and_the_largest_chunk_is_not():
    chunk = BlobChunk(bytes(32), 64 << 20, 0, bytes(CHUNK_BYTES))
    assert decode_from_member(encode(chunk)) == chunk
    with pytest.raises(Malformed):
        decode_from_member(bytes(MAX_FRAME_BYTES + 1))
    larger = BlobChunk(bytes(32), 64 << 20, 0, bytes(CHUNK_BYTES + 1))
    with pytest.raises(Malformed):
        decode_from_member(encode(larger))
