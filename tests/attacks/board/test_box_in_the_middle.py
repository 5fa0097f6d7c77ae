"""Somebody between hospital and aggregator who holds a certificate that passes.

It may be the proxy where TLS ends, or a box that inspects TLS. It sees lengths and times, and can
cut the line. Everything else that it does ends the connection, and the next one goes on.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from examples.demo.processes import free_port
from participant.network import session as sessions
from protocol.messages.ceremony import Join
from tests.stage.consortium import Consortium, found, lost_into, run_all
from tests.stage.link.box import Box, Deed
from tests.stage.link.relay import make_tls_key


@pytest.fixture
def consortium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Consortium:
    """Its card pins the key of the box, which is what an authority of the box would come to."""
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 0.02)
    monkeypatch.setattr(sessions, "_LONGEST_WAIT", 0.05)
    made, port = found(tmp_path), free_port()
    return replace(made, relay=replace(made.relay, tls=make_tls_key(tmp_path / "own"), port=port))


def box_of(consortium: Consortium, deed: Deed | None = None) -> Box:
    place = int(consortium.card.url.rpartition(":")[2])
    box = Box(place, consortium.relay.port, consortium.tls)
    if deed is not None:
        box.deed = deed
    return box


def test_it_sees_nothing_of_a_whole_ceremony(consortium: Consortium) -> None:
    with consortium.relay.running() as relay, box_of(consortium).running() as box:
        ends = run_all([consortium.session(i) for i in (1, 2, 3)])
        entries = list(relay.core.board.entries)
    assert ends == [None, None, None]
    assert len(entries) > 20
    seen = b"".join(box.seen)
    assert len(seen) > 10_000
    for posted in entries:
        body = posted.post.body
        secrets = [posted.hash, posted.digest, posted.post.session.encode()]
        secrets += [body.sealing_key] if isinstance(body, Join) else []
        assert not any(secret in seen for secret in secrets)
    assert consortium.terms.federation not in seen
    assert consortium.card.url.encode() not in seen


def flipped(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 1])


class Once:
    """Does something to one frame of the first connection, and is honest from then on."""

    def __init__(self, direction: str, number: int, deed: str) -> None:
        self.place, self.deed = (direction, number), deed
        self.held: list[bytes] = []
        self.done = False

    def __call__(self, direction: str, number: int, frame: bytes) -> list[bytes]:
        if self.done or (direction, number) != self.place:
            self.held.append(frame)
            return [frame]
        self.done = True
        return {
            "changed": [flipped(frame)],
            "cut short": [frame[:-1]],
            "twice": [frame, frame],
            "left out": [],
            "sent back": [self.held[-1]],
        }[self.deed]


DEEDS = ("changed", "cut short", "twice", "sent back")
PLACES = (("up", 0), ("up", 3), ("down", 0), ("down", 1), ("down", 4))


def every_deed_at_every_place():
    """Each deed and each place is in a fast test: a whole ceremony goes on around every one."""
    for number, place in enumerate(PLACES):
        for deed in DEEDS:
            is_fast = deed == DEEDS[number % len(DEEDS)]
            yield pytest.param(place, deed, marks=() if is_fast else pytest.mark.slow)


@pytest.mark.parametrize(("place", "deed"), list(every_deed_at_every_place()))
def test_what_it_does_to_a_frame_ends_the_connection_and_no_more(
    consortium: Consortium, place: tuple[str, int], deed: str
) -> None:
    reasons: list[str] = []
    once = Once(*place, deed)
    if place == ("down", 0) and deed == "sent back":
        once.held = [bytes(40)]  # nothing has been said yet
    first = consortium.session(1, notices=lost_into(reasons))
    with consortium.relay.running() as relay, box_of(consortium, once).running() as box:
        ends = run_all([first, consortium.session(2), consortium.session(3)])
    assert ends == [None, None, None], "the ceremony went on over other connections"
    assert once.done
    assert box.connections > 3
    assert len(relay.core.board.ceremonies) == 1


def test_frames_of_one_connection_are_nothing_in_another(consortium: Consortium) -> None:
    """It plays the hello of a hospital to the aggregator once more, and all that followed."""
    heard: list[bytes] = []

    def recording(direction: str, number: int, frame: bytes) -> list[bytes]:
        heard.extend([frame] if direction == "up" else [])
        return [frame]

    def replaying(direction: str, number: int, frame: bytes) -> list[bytes]:
        return [heard[min(number, len(heard) - 1)]] if direction == "up" else [frame]

    with consortium.relay.running() as relay:
        with box_of(consortium, recording).running():
            run_all([consortium.session(1, time_limit=3.0)])
        assert heard
        before, hellos = relay.core.board.head, len(relay.hellos)
        with box_of(consortium, replaying).running() as box:
            run_all([consortium.session(2, time_limit=1.5)])
        assert box.connections > 0
        assert relay.core.board.head == before
        assert len(relay.hellos) == hellos


def test_a_box_that_only_cuts_delays_and_does_nothing_else(consortium: Consortium) -> None:
    cuts = iter(range(100))

    def cutting(direction: str, number: int, frame: bytes) -> list[bytes]:
        if direction == "down" and number == 5 and next(cuts) < 6:
            raise ConnectionResetError
        return [frame]

    with consortium.relay.running(), box_of(consortium, cutting).running():
        ends = run_all([consortium.session(i) for i in (1, 2, 3)])
    assert ends == [None, None, None]
