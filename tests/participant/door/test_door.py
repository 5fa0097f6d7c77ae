"""The administration conversation: what is asked and heard, and who harms nobody."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from participant.disk import connect, listen, sockets
from participant.door import place, server
from participant.door.client import open_line
from participant.door.framing import Unframer, framed
from participant.door.messages import (
    ADMINISTRATION,
    MAX_WANTED_BYTES,
    VERSION,
    AgentStanding,
    Denied,
    Failed,
    Finished,
    Greeted,
    Greeting,
    JobWanted,
    MakeKey,
    Moved,
    Noticed,
    StandingWanted,
    Stopping,
    StopWanted,
    Waits,
    read_answer,
)
from participant.door.news import MAX_NOTICES, News
from participant.door.served import Asker, ServedHospital
from participant.door.server import Door
from participant.errors import AgentDenies, DoorClosed, NoAgent, SaidByAgent
from participant.home.address import Address
from participant.network import Notices
from protocol.encoding import encode
from protocol.errors import Malformed
from tests.participant.door.conftest import FakeDesk
from tests.stage.saying import FEDERATION

WANTED = JobWanted(MakeKey(None), "federation.toml", "")
GREETING = Greeting(ADMINISTRATION, VERSION)


@asynccontextmanager
async def opened(folder: Path, **about: Any) -> AsyncIterator[FakeDesk]:
    desk = FakeDesk(**about)
    async with Door(folder, desk).open():
        yield desk


async def heard(folder: Path, *said: bytes, ends: bool = True) -> list[Any]:
    """All that is answered to these bytes."""
    reader, writer = await asyncio.open_unix_connection(str(folder / place.SOCKET_NAME))
    for data in said:
        writer.write(data)
    if ends:
        await writer.drain()
    unframer = Unframer(1 << 22)
    async with asyncio.timeout(20):
        data = b"".join([part async for part in _parts(reader)])
    writer.close()
    return [read_answer(frame) for frame in unframer.feed(data)]


async def _parts(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while data := await reader.read(1 << 16):
            yield data
    except ConnectionResetError:
        return


def hospital(folder: Path) -> ServedHospital:
    terms = FEDERATION.terms
    address = Address(terms.aggregator_key, None, folder)
    return ServedHospital(terms, address, folder, Asker("federation.toml", ""))


async def test_a_command_greets_and_is_told_how_things_stand(folder: Path) -> None:
    async with opened(folder):
        greeted, standing = await heard(folder, framed(GREETING), framed(StandingWanted()))
    assert greeted == Greeted(VERSION, os.getpid(), "running")
    assert isinstance(standing, AgentStanding)


async def test_the_socket_is_gone_when_the_door_is_closed(folder: Path) -> None:
    async with opened(folder):
        assert connect(place.socket_path(folder)) is not None
    assert not (folder / place.SOCKET_NAME).exists()


async def test_a_job_is_done_and_its_news_are_heard_in_order(folder: Path) -> None:
    waits = Waits("join", (2,), b'{"session": "ceremony/1", "step": "join"}')

    def work(tell: Callable[[object], None]) -> None:
        tell(Noticed("found", b"{}"))
        tell(Moved(1, waits, 0.0))
        tell(Moved(1, None, 0.0))  # the newest counts

    async with opened(folder, work=work) as desk:
        found = await heard(folder, framed(GREETING), framed(WANTED))
    assert found[1:] == [Noticed("found", b"{}"), Moved(1, None, 0.0), Finished(b"\x01", 1, 2)]
    assert desk.wanted == [WANTED]


async def test_what_goes_wrong_is_said_in_words(folder: Path) -> None:
    async with opened(folder, error=ValueError("no")):
        found = await heard(folder, framed(GREETING), framed(WANTED))
    assert found[1:] == [Failed("said of no", "do it", 3)]


async def test_an_agent_can_be_asked_to_end(folder: Path) -> None:
    async with opened(folder) as desk:
        await hospital(folder).stop()
    assert desk.stopped


async def test_a_job_that_nobody_waits_for_any_more_is_given_up(folder: Path) -> None:
    async with opened(folder, forever=True) as desk:
        _, writer = await asyncio.open_unix_connection(str(folder / place.SOCKET_NAME))
        writer.write(framed(GREETING) + framed(WANTED))
        await desk.begun.wait()
        writer.close()
        async with asyncio.timeout(20):
            while not desk.ended:
                await asyncio.sleep(0.01)
    assert desk.ended == ["cancelled"]


DATA = Greeting("data", 1)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((framed(DATA),), "door of administration, not of data"),
        ((framed(Greeting(ADMINISTRATION, 0)),), "version 0"),
        ((framed(WANTED),), "before the greeting"),
        ((framed(GREETING), framed(GREETING)), "said before"),
        ((b"\x00\x00\x00\x00",), "0 bytes"),
        (((MAX_WANTED_BYTES + 1).to_bytes(4, "big"),), "are allowed"),
        ((b"\x00\x00\x00\x02\xc1\xc1",), "wish"),
        ((b"\x00\x00\x00\x03GET",), "wish"),
    ],
    ids=["data", "old", "no greeting", "twice", "empty", "long", "no message", "http"],
)
async def test_what_belongs_to_no_conversation_is_denied(
    said: tuple[bytes, ...], why: str, folder: Path
) -> None:
    async with opened(folder) as desk:
        *_, denied = await heard(folder, *said)
        assert isinstance(denied, Denied)
        assert why in denied.reason
        assert not desk.wanted
        greeted, _ = await heard(folder, framed(GREETING), framed(StandingWanted()))
        assert isinstance(greeted, Greeted)  # nobody else is harmed


async def test_who_speaks_during_its_job_loses_it(folder: Path) -> None:
    async with opened(folder, forever=True) as desk:
        *_, denied = await heard(folder, framed(GREETING), framed(WANTED), framed(StopWanted()))
    assert isinstance(denied, Denied)
    assert desk.ended == ["cancelled"]
    assert not desk.stopped


@pytest.mark.parametrize("said", [b"", b"\x00", framed(GREETING)[:-1], framed(GREETING)])
async def test_who_does_not_go_on_is_hung_up_on(
    said: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "OPEN_SECONDS", 0.05)
    async with opened(folder):
        assert len(await heard(folder, said, ends=False)) == (said == framed(GREETING))


async def test_more_lines_than_there_is_room_for_are_denied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_LINES", 2)
    async with opened(folder, forever=True):
        path = str(folder / place.SOCKET_NAME)
        first = [await asyncio.open_unix_connection(path) for _ in range(2)]
        (denied,) = await heard(folder)
        assert isinstance(denied, Denied)
        first[0][1].close()
        await first[0][0].read()
        async with asyncio.timeout(20):
            while isinstance(
                (await heard(folder, framed(GREETING), framed(StopWanted())))[0], Denied
            ):
                await asyncio.sleep(0.01)
        first[1][1].close()


async def test_who_waits_for_jobs_keeps_nobody_from_stopping(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_JOBS", 1)
    async with opened(folder, forever=True) as desk:
        path = str(folder / place.SOCKET_NAME)
        _, waiting = await asyncio.open_unix_connection(path)
        waiting.write(framed(GREETING) + framed(WANTED))
        async with asyncio.timeout(20):
            while not desk.wanted:
                await asyncio.sleep(0.01)
        *_, last = await heard(folder, framed(GREETING), framed(WANTED))
        assert isinstance(last, Denied)
        assert last.reason == "wish: 1 jobs are being done already"
        *_, last = await heard(folder, framed(GREETING), framed(StopWanted()))
        assert isinstance(last, Stopping)
        waiting.close()


async def test_who_does_not_read_is_hung_up_on_and_its_job_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READ_SECONDS", 0.1)
    facts = b'{"reason": "' + b"x" * 60_000 + b'"}'

    def work(tell: Callable[[object], None]) -> None:
        for _ in range(MAX_NOTICES):
            tell(Noticed("stalled", facts))

    async with opened(folder, work=work, forever=True) as desk:
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(folder / place.SOCKET_NAME))
        line.send(framed(GREETING) + framed(WANTED))
        async with asyncio.timeout(20):
            while not desk.ended:
                await asyncio.sleep(0.01)
        line.close()
    assert desk.ended == ["cancelled"]


async def test_notices_that_nobody_reads_do_not_pile_up(folder: Path) -> None:
    news = News()
    for number in range(10 * MAX_NOTICES):
        news.tell(Noticed("stalled", b'{"reason": "%d"}' % number))
        news.tell(Moved(1, None, float(number)))
    assert len(news.take()) == MAX_NOTICES + 1


async def test_a_process_of_another_user_gets_no_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(folder) as desk:
        monkeypatch.setattr(sockets, "peer_user", lambda line: os.geteuid() + 1)
        assert await heard(folder, framed(GREETING), framed(WANTED)) == []
    assert not desk.wanted


async def test_a_hospital_shows_what_the_agent_tells(folder: Path) -> None:
    waits = Waits("join", (2,), b'{"session": "ceremony/1", "step": "join"}')
    said = list[str]()
    notices = Notices(stalled=said.append, moved=lambda: said.append("moved"))

    def work(tell: Callable[[object], None]) -> None:
        tell(Noticed("stalled", b'{"reason": "full"}'))
        tell(Moved(3, waits, 2.0))

    async with opened(folder, work=work, error=ValueError("no")):
        served = hospital(folder)
        with pytest.raises(SaidByAgent) as caught:
            await served.ceremony(notices=notices)
    assert said[:2] == ["full", "moved"]
    assert served.mirror.waiting.members == (2,)
    assert served.mirror.index == 3
    assert (caught.value.what, caught.value.exit_code) == ("said of no", 3)


async def test_an_agent_that_ends_before_it_has_answered_is_named(folder: Path) -> None:
    desk = FakeDesk(forever=True)
    async with Door(folder, desk).open():
        work = asyncio.create_task(hospital(folder).ceremony())
        await desk.begun.wait()
    with pytest.raises(DoorClosed):
        await work


async def test_without_an_agent_nobody_is_asked(folder: Path) -> None:
    with pytest.raises(NoAgent):
        await hospital(folder).standing()


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\x00\x00\x01\xc1", framed(Denied("no\x1b[2J")), framed(Greeted(9, 1, "running"))],
)
async def test_what_is_no_agent_is_not_believed(answer: bytes, folder: Path) -> None:
    async def fake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = listen(place.socket_path(folder), 1)
    async with await asyncio.start_unix_server(fake, sock=listening):
        with pytest.raises((AgentDenies, DoorClosed, Malformed)) as caught:
            async with open_line(folder):
                raise AssertionError
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "facts", [b'{"session": "age"}', b'{"session": 3}', b'{"session": "check/x"}']
)
def test_what_waits_in_no_session_is_not_believed(facts: bytes) -> None:
    with pytest.raises(Malformed):
        read_answer(encode(Moved(1, Waits("join", (2,), facts), 0.0)))
