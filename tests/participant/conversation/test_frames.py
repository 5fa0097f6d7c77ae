"""Frames are the same in whatever pieces they come, and too much is refused before it is there."""

import pytest

from participant.conversation.frames import Frames, Limits
from protocol.errors import Malformed


def frame(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "big") + header + len(body).to_bytes(8, "big") + body


def read(data: bytes, size: int, frames: Frames | None = None) -> list[tuple[bytes, bytes]]:
    """The frames in some bytes that come in pieces of one size."""
    frames, found = frames or Frames(), []
    for start in range(0, len(data), size):
        piece = memoryview(data)[start : start + size]
        while piece:
            room = frames.room()
            count = min(len(room), len(piece))
            room[:count] = piece[:count]
            if one := frames.filled(count):
                found.append((one[0], bytes(one[1])))
            piece = piece[count:]
    return found


@pytest.mark.parametrize("size", [1, 3, 10_000, 1 << 20])
def test_frames_come_whole_in_whatever_pieces(size: int) -> None:
    said = [(b"{}", b""), (b"", b""), (b'{"op": "x"}', bytes(range(256)) * 64), (b"z", b"\0")]
    assert read(b"".join(frame(*one) for one in said), size) == said


def test_what_was_received_before_is_not_written_over() -> None:
    frames = Frames()
    first = read(frame(b"a", b"1" * 5_000), 1 << 20, frames)
    assert read(frame(b"b", b"2" * 5_000), 1 << 20, frames) == [(b"b", b"2" * 5_000)]
    assert first == [(b"a", b"1" * 5_000)]


def test_a_frame_that_has_begun_is_known_until_it_has_ended() -> None:
    frames, data = Frames(), frame(b"{}", b"body")
    assert not frames.is_within
    for end in range(1, len(data)):
        frames = Frames()
        assert read(data[:end], 1, frames) == []
        assert frames.is_within
    assert read(data[-1:], 1, frames) == [(b"{}", b"body")]
    assert not frames.is_within


def test_too_long_a_header_and_body_are_refused_by_their_length() -> None:
    limits = Limits(header=10, body=20)
    assert read(frame(b"h" * 10, b"b" * 20), 7, Frames(limits))
    with pytest.raises(Malformed, match="a header of 11 bytes, and 10 are the most"):
        read((11).to_bytes(4, "big"), 4, Frames(limits))
    with pytest.raises(Malformed, match="a body of 21 bytes, and 20 are the most"):
        read(frame(b"h")[:5] + (21).to_bytes(8, "big"), 13, Frames(limits))
