"""An aggregator that makes hospitals say the same things without end, and so fills their logs.

It takes nothing and then takes something, it welcomes and hangs up, it names another reason each
time: each costs it a frame, and was a line at the hospital.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from participant.cli.views.ceremony import link_notices
from participant.errors import Unreachable
from participant.network import session as sessions
from participant.network.link import Link
from participant.network.session import Notices, Session
from protocol.board.post import Head
from protocol.encoding import encode
from protocol.wire.frames import Accepted, Rejected
from tests.stage.saying import FEDERATION, NOWHERE, Quiet, agent, proposing

MANY = 1_000
FEW = 2 * int(sessions._BAD_NEWS[0])


class Endless:
    """There is always another frame, until somebody has asked far too often."""

    def __init__(self, *frames: object) -> None:
        self._frames = itertools.cycle([encode(frame) for frame in frames])
        self.taken = 0

    async def get(self) -> bytes:
        self.taken += 1
        assert self.taken < MANY, "the agent takes frames and never works"
        return next(self._frames)

    def empty(self) -> bool:
        return False


def listening(said: list[str]) -> Session:
    session = Session(agent(), FEDERATION.keys[1], NOWHERE, link_notices("wss://h", said.append))
    session.clock = lambda: 1e6
    return session


def test_a_stall_that_comes_and_goes_with_each_frame_is_told_a_few_times() -> None:
    said = list[str]()
    session = listening(said)
    inbox = Endless(Rejected("busy", "it is full"), Accepted(bytes(32), 1))

    async def take() -> None:
        while inbox.taken < MANY - 100:
            await session._take(inbox, Quiet())  # type: ignore[arg-type]

    asyncio.run(take())
    assert 2 < len(said) <= FEW
    assert sum("takes what this hospital sends again" in line for line in said) == len(said) // 2


def test_frames_without_end_do_not_keep_an_agent_from_its_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox, session, received = Endless(Accepted(bytes(32), 1)), listening([]), list[object]()
    monkeypatch.setattr(session.agent, "receive", received.append)
    assert asyncio.run(session._take(inbox, Quiet()))  # type: ignore[arg-type]
    assert len(received) == inbox.taken, "a frame is lost"


def test_a_link_that_fails_for_ever_new_reasons_is_told_a_few_times() -> None:
    said = list[str]()
    session, told = listening(said), set[str]()
    for k in range(MANY):
        session._lose(Unreachable("wss://h", f"it is busy: {k}"), told)
    assert 2 < len(said) == len(told) <= FEW


def test_a_link_that_comes_and_goes_is_told_a_few_times_and_each_loss_with_its_end() -> None:
    said = list[bool]()
    session = listening([])
    session._find()
    session.notices = Notices(lost=lambda _: said.append(False), found=lambda: said.append(True))
    for _ in range(MANY):
        session._lose(Unreachable("wss://h", "the connection was closed"), set())
        session._find()
    assert 2 < len(said) <= FEW
    assert said == [False, True] * (len(said) // 2)


def test_with_time_it_is_told_again() -> None:
    said = list[str]()
    session = listening(said)
    for hour in range(3):
        session.clock = lambda hour=hour: 1e6 + 3_600.0 * hour  # type: ignore[misc]
        session._lose(Unreachable("wss://h", "the connection was closed"), set())
        session._find()
    assert len(said) == 6


@pytest.mark.parametrize(("brings", "waits"), [(False, [1, 2, 4, 8, 15, 15]), (True, [1] * 6)])
def test_a_link_that_breaks_before_it_is_of_any_use_is_tried_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch, brings: bool, waits: list[int]
) -> None:
    """Or else hospitals call, and send what is on its way, twice a second and for ever."""
    session, slept = listening([]), list[float]()
    entries = itertools.count(1)

    @asynccontextmanager
    async def welcomed(*args: object) -> AsyncIterator[Quiet]:
        yield Quiet()

    async def work(link: Link) -> None:
        if brings:
            session.agent.board = Grown(next(entries))  # type: ignore[assignment]
        raise Unreachable(link.url, "the connection was closed")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(waits):
            raise TimeoutError

    monkeypatch.setattr(sessions, "open_link", welcomed)
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 1.0)
    monkeypatch.setattr(sessions, "_jittered", lambda wait: wait)
    monkeypatch.setattr(session, "_work_on", work)
    monkeypatch.setattr(session.agent.task, "drafts", [proposing()])
    monkeypatch.setattr(sessions.asyncio, "sleep", sleep)
    with pytest.raises(TimeoutError):
        asyncio.run(session._connect_until_done())
    assert slept == waits


class Grown:
    """A board of which nothing but the number of its entries counts."""

    def __init__(self, position: int) -> None:
        self.head = Head(position, bytes(32))
