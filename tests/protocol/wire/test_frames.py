"""Frames: one side's are not the other's, and none is too large."""

import pytest

from protocol.board.post import MIN_ENTRY_BYTES
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.wire.frames import (
    CHUNK_BYTES,
    MAX_FRAME_BYTES,
    BlobChunk,
    Entries,
    Subscribe,
    Welcome,
    decode_from_aggregator,
    decode_from_member,
)


def test_neither_side_takes_the_other_sides_frames():
    with pytest.raises(Malformed):
        decode_from_member(encode(Welcome(0, bytes(32))))
    with pytest.raises(Malformed):
        decode_from_aggregator(encode(Subscribe(0)))


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
