"""The sealed channel: each frame opens once, in its turn, in its direction, as it was sent."""

import pytest

from protocol.errors import BrokenChannel
from protocol.wire.channel import MAX_SEALED_BYTES, TAG_BYTES, SealedChannel
from protocol.wire.frames import MAX_FRAME_BYTES

FRAMES = [b"first", b"", b"third" * 1_000]


def ends() -> tuple[SealedChannel, SealedChannel]:
    """The member's end and the aggregator's."""
    return SealedChannel(b"m" * 32, b"a" * 32), SealedChannel(b"a" * 32, b"m" * 32)


def test_frames_come_through_in_order_both_ways() -> None:
    member, aggregator = ends()
    for frame in FRAMES:
        assert aggregator.open(member.seal(frame)) == frame
        assert member.open(aggregator.seal(frame)) == frame


def test_who_looks_on_sees_the_length_alone() -> None:
    member, _ = ends()
    once, again = member.seal(b"secret"), member.seal(b"secret")
    assert once != again, "equal frames would look equal"
    assert len(once) == len(again) == len(b"secret") + TAG_BYTES
    assert b"secret" not in once


def test_the_largest_frame_fits() -> None:
    member, aggregator = ends()
    sealed = member.seal(bytes(MAX_FRAME_BYTES))
    assert len(sealed) == MAX_SEALED_BYTES
    assert len(aggregator.open(sealed)) == MAX_FRAME_BYTES


@pytest.mark.parametrize(
    "deed",
    [
        lambda sealed, own: sealed[1],  # before its turn
        lambda sealed, own: own,  # sent back
        lambda sealed, own: sealed[0][:-1],
        lambda sealed, own: sealed[0] + b"\0",
        lambda sealed, own: b"",
        lambda sealed, own: bytes([sealed[0][0] ^ 1]) + sealed[0][1:],
        lambda sealed, own: sealed[0][:-1] + bytes([sealed[0][-1] ^ 1]),
        lambda sealed, own: bytes(MAX_SEALED_BYTES + 1),
    ],
    ids=["early", "reflected", "short", "long", "empty", "first byte", "last byte", "huge"],
)
def test_anything_else_than_the_next_frame_ends_the_channel(deed) -> None:
    member, aggregator = ends()
    sealed, own = [member.seal(b"one"), member.seal(b"two")], aggregator.seal(b"back")
    with pytest.raises(BrokenChannel) as caught:
        aggregator.open(deed(sealed, own))
    assert caught.value.number == 0
    with pytest.raises(BrokenChannel):
        aggregator.open(sealed[0])
    with pytest.raises(BrokenChannel):
        aggregator.seal(b"more")


def test_a_frame_that_comes_twice_ends_the_channel() -> None:
    member, aggregator = ends()
    sealed = member.seal(b"pay")
    assert aggregator.open(sealed) == b"pay"
    with pytest.raises(BrokenChannel) as caught:
        aggregator.open(sealed)
    assert caught.value.number == 1


def test_no_key_is_shown() -> None:
    member, _ = ends()
    assert "secret" in repr(member)
    assert "mmm" not in repr(member)
