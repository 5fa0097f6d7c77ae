"""A question in the middle of a job: it is answered once, by who has the job, or not at all."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from participant.cli.work import Foreground, run
from participant.conversation.messages import read_message
from participant.disk import connect
from participant.door import place, server
from participant.door.framing import Unframer, framed
from participant.door.messages import (
    ADMINISTRATION,
    MAX_WANTED_BYTES,
    VERSION,
    Denied,
    Failed,
    Finished,
    Greeting,
    JobWanted,
    MakeKey,
    Moved,
    Noticed,
    StopWanted,
    read_answer,
)
from participant.door.news import News
from participant.door.served import Asker, ServedHospital
from participant.door.study_messages import Answered, Asked, ContributeNumbers, DecryptRound
from participant.door.study_results import read_decrypted
from participant.errors import DoorClosed, SaidByAgent
from participant.home.address import Address
from participant.hospital import Decrypted
from participant.network import Notices
from participant.rounds import Question
from protocol.encoding import encode
from protocol.errors import Malformed
from tests.participant.door.conftest import FakeDesk
from tests.participant.door.test_door import heard, hospital, opened
from tests.stage.saying import FEDERATION

GREETING = framed(Greeting(ADMINISTRATION, VERSION))
WANTED = framed(JobWanted(DecryptRound("age", None, None), "federation.toml", ""))
ASKED = Asked("age/1", "statistic", ("H1", "H2", "H3"), 1, "", ("men",), ("H2",))
QUESTION = Question("age/1", "statistic", ("H1", "H2", "H3"), 1, "", ("men",), ("H2",))
YES, NO = framed(Answered(True)), framed(Answered(False))
FOUND = Decrypted("age/1", "statistic", False, ("H1",), (), None, (), (), ())


class Command:
    """A command's end, which says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._unframer, self._frames = Unframer(1 << 22), list[bytes]()

    async def hear(self, kind: type[Any]) -> Any:
        """The next thing of a kind, or what denies it."""
        async with asyncio.timeout(20):
            while True:
                while not self._frames:
                    data = await self._reader.read(1 << 16)
                    assert data, "hung up"
                    self._frames += self._unframer.feed(data)
                found = read_answer(self._frames.pop(0))
                if isinstance(found, kind | Denied | Finished | Failed):
                    return found


@asynccontextmanager
async def asked(folder: Path, **about: Any) -> AsyncIterator[tuple[FakeDesk, Command]]:
    """A command whose job has asked it something."""
    about = {"questions": (ASKED,)} | about
    async with opened(folder, **about) as desk:
        command = Command(*await asyncio.open_unix_connection(str(folder / place.SOCKET_NAME)))
        command.writer.write(GREETING + WANTED)
        assert await command.hear(Asked) == ASKED
        yield desk, command
        command.writer.close()


async def ended(desk: FakeDesk) -> list[str]:
    async with asyncio.timeout(20):
        while not desk.ended:
            await asyncio.sleep(0.01)
    return desk.ended


@pytest.mark.parametrize("agrees", [True, False])
async def test_the_answer_is_what_the_command_says(agrees: bool, folder: Path) -> None:
    async with asked(folder) as (desk, command):
        command.writer.write(framed(Answered(agrees)))
        assert isinstance(await command.hear(Finished), Finished)
    assert desk.answers == [agrees]


async def test_one_question_after_the_other_has_an_answer_each(folder: Path) -> None:
    async with asked(folder, questions=(ASKED, ASKED)) as (desk, command):
        command.writer.write(YES)
        assert isinstance(await command.hear(Asked), Asked)
        command.writer.write(NO)
        assert isinstance(await command.hear(Finished), Finished)
    assert desk.answers == [True, False]


@pytest.mark.parametrize(
    "said",
    [
        YES + YES,
        YES + b"\x00",
        framed(StopWanted()),
        framed(JobWanted(MakeKey(None), "", "")),
        GREETING,
        b"\x00\x00\x00\x02\xc1\xc1",
        (1 << 20).to_bytes(4, "big"),
        b"\x00\x00\x00\x41",
    ],
    ids=["twice", "more", "stop", "job", "greeting", "no message", "long", "a little long"],
)
async def test_anything_but_one_answer_ends_the_job_unanswered(said: bytes, folder: Path) -> None:
    async with asked(folder) as (desk, command):
        command.writer.write(said)
        assert isinstance(await command.hear(Denied), Denied)
        assert await ended(desk) == ["cancelled"]
        assert desk.answers == []
        assert not desk.stopped
        assert len(desk.wanted) == 1


async def test_a_second_answer_ends_the_job(folder: Path) -> None:
    async with asked(folder, forever=True) as (desk, command):
        command.writer.write(YES)
        async with asyncio.timeout(20):
            while not desk.answers:
                await asyncio.sleep(0.01)
        command.writer.write(YES)
        assert isinstance(await command.hear(Denied), Denied)
        assert await ended(desk) == ["cancelled"]
    assert desk.answers == [True]


async def test_an_answer_before_the_question_is_none(folder: Path) -> None:
    async with opened(folder, forever=True) as desk:
        *_, denied = await heard(folder, GREETING, WANTED, YES)
        assert isinstance(denied, Denied)
        assert await ended(desk) == ["cancelled"]
        assert desk.answers == []


async def test_an_answer_instead_of_a_wish_is_none(folder: Path) -> None:
    async with opened(folder) as desk:
        for said in ((YES,), (GREETING, YES)):
            *_, denied = await heard(folder, *said)
            assert isinstance(denied, Denied)
    assert not desk.wanted


async def test_who_hangs_up_at_the_question_has_not_agreed(folder: Path) -> None:
    async with asked(folder) as (desk, command):
        command.writer.close()
        assert await ended(desk) == ["cancelled"]
    assert desk.answers == []


async def test_who_does_not_answer_holds_up_nobody_else(folder: Path) -> None:
    async with asked(folder) as (desk, _):
        command = Command(*await asyncio.open_unix_connection(str(folder / place.SOCKET_NAME)))
        command.writer.write(GREETING + WANTED)
        await command.hear(Asked)
        command.writer.write(YES)
        assert isinstance(await command.hear(Finished), Finished)
        assert desk.ended == ["done"]
        assert desk.answers == [True]
        command.writer.close()


def test_an_answer_crosses_to_no_app() -> None:
    for header in (encode(Answered(True)), YES):
        with pytest.raises(Malformed):
            read_message(header)


async def test_a_question_is_told_last_and_once() -> None:
    news = News()
    answer = news.ask(ASKED)
    news.tell(Moved(1, None, 0.0))
    news.tell(Noticed("found", b"{}"))
    with pytest.raises(Malformed):
        news.answer(Answered(True))  # which nobody can have read
    assert news.take() == [Noticed("found", b"{}"), Moved(1, None, 0.0), ASKED]
    assert news.take() == []
    news.answer(Answered(True))
    with pytest.raises(Malformed):
        news.answer(Answered(True))
    assert await answer


# ── the command's side ──


async def test_a_person_is_shown_all_of_the_question(folder: Path) -> None:
    shown = list[Question]()
    async with opened(folder, questions=(ASKED,), result=encode(FOUND)) as desk:
        found = (
            await hospital(folder)
            .study("age")
            .decrypt(approve=lambda question: not shown.append(question))
        )
    assert shown == [QUESTION]
    assert desk.answers == [True]
    assert found == FOUND == read_decrypted(encode(FOUND))


@pytest.mark.parametrize("answer", [False, None, 1, "yes"])
async def test_nothing_but_true_is_an_agreement(answer: Any, folder: Path) -> None:
    async with opened(folder, questions=(ASKED,), error=ValueError("no")) as desk:
        with pytest.raises(SaidByAgent):
            await hospital(folder).study("age").decrypt(approve=lambda question: answer)
    assert desk.answers == [False]


async def test_a_person_who_breaks_off_has_not_answered(folder: Path) -> None:
    def approve(question: Question) -> bool:
        raise KeyError

    async with opened(folder, questions=(ASKED,)) as desk:
        with pytest.raises(KeyError):
            await hospital(folder).study("age").decrypt(approve=approve)
        assert await ended(desk) == ["cancelled"]
    assert desk.answers == []


async def test_what_the_agent_tells_meanwhile_is_told_after_the_answer(folder: Path) -> None:
    told, loop = list[str](), asyncio.get_running_loop()
    tells: list[Callable[[object], None]] = []
    notices = Notices(stalled=told.append)

    def approve(question: Question) -> bool:
        loop.call_soon_threadsafe(tells[0], Noticed("stalled", b'{"reason": "full"}'))
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.3), loop).result()
        told.append("answered")
        return True

    async with opened(folder, questions=(ASKED,), result=encode(FOUND), work=tells.append):
        await hospital(folder).study("age").decrypt(approve=approve, notices=notices)
    assert told == ["answered", "full"]


async def test_a_job_that_ends_ends_the_question(folder: Path) -> None:
    thinking = asyncio.Event()
    loop = asyncio.get_running_loop()

    def approve(question: Question) -> bool:
        loop.call_soon_threadsafe(thinking.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(60), loop).result(1)
        return True

    desk = FakeDesk(questions=(ASKED,))
    async with server.Door(folder, desk).open():
        work = asyncio.create_task(hospital(folder).study("age").decrypt(approve=approve))
        await thinking.wait()
    with pytest.raises(DoorClosed):
        await work
    assert desk.answers == []


async def test_a_question_in_a_job_that_has_none_is_not_answered(folder: Path) -> None:
    async with opened(folder, questions=(ASKED,)) as desk:
        with pytest.raises(Malformed):
            await hospital(folder).ceremony()
        assert await ended(desk) == ["cancelled"]
    assert desk.answers == []


# ── long wishes and long results ──


def numbers(size: int) -> bytes:
    job = ContributeNumbers("age", "n.csv", bytes(size), None)
    return framed(JobWanted(job, "federation.toml", ""))


async def test_a_file_of_numbers_may_be_long(folder: Path) -> None:
    async with opened(folder) as desk:
        found = await heard(folder, GREETING, numbers(3 << 20))
    assert isinstance(found[-1], Finished)
    (wanted,) = desk.wanted
    assert isinstance(wanted.job, ContributeNumbers)
    assert wanted.job.data == bytes(3 << 20)
    assert "\\x00" not in repr(wanted)


async def test_long_wishes_together_are_bounded_and_the_room_comes_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_LONG_BYTES", 1 << 20)
    async with opened(folder) as desk:
        path = str(folder / place.SOCKET_NAME)
        first = Command(*await asyncio.open_unix_connection(path))
        first.writer.write(GREETING + numbers(600 << 10)[:-1])
        await first.writer.drain()
        await asyncio.sleep(0.1)
        second = Command(*await asyncio.open_unix_connection(path))
        second.writer.write(GREETING + numbers(600 << 10)[: 70 << 10])
        assert isinstance(await second.hear(Denied), Denied)
        assert isinstance((await heard(folder, GREETING, WANTED))[-1], Finished)  # a short one
        first.writer.close()
        second.writer.close()
        await asyncio.sleep(0.1)
        assert isinstance((await heard(folder, GREETING, numbers(600 << 10)))[-1], Finished)
    assert len(desk.wanted) == 2


async def test_a_long_wish_that_does_not_come_is_hung_up_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "OPEN_SECONDS", 0.1)
    monkeypatch.setattr(server, "SLOWEST", 1 << 30)
    async with opened(folder) as desk:
        said = GREETING + MAX_WANTED_BYTES.to_bytes(4, "big") + bytes(1000)
        assert len(await heard(folder, said, ends=False)) == 1
    assert not desk.wanted


async def test_a_result_of_many_frames_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_PART_BYTES", 7)
    async with opened(folder, result=encode(FOUND)):
        found = await hospital(folder).study("age").decrypt(approve=lambda question: True)
    assert found == FOUND


class Hasty(FakeDesk):
    """Asks, and gives up before there can be an answer."""

    async def perform(self, wanted: JobWanted, tell: server.Tell, ask: server.Ask) -> Finished:
        ask(ASKED)
        await asyncio.sleep(0.5)
        raise ValueError("no")


def test_a_person_at_a_terminal_is_let_go_when_the_job_ends(folder: Path) -> None:
    began, is_over = time.monotonic(), threading.Event()

    async def agent() -> None:
        async with server.Door(folder, Hasty()).open():
            await asyncio.to_thread(is_over.wait)

    beside = threading.Thread(target=lambda: asyncio.run(agent()))
    beside.start()
    try:
        while not (line := connect(place.socket_path(folder))):
            time.sleep(0.01)
        terms = FEDERATION.terms
        address = Address(terms.aggregator_key, None, folder)
        asker, steps = Asker("federation.toml", ""), Foreground()
        served = ServedHospital(terms, address, folder, asker, line, steps)

        def approve(question: Question) -> bool:
            time.sleep(30)
            return True

        with pytest.raises(SaidByAgent, match="said of no"):
            run(partial(served.study("age").decrypt, approve=approve), served)
    finally:
        is_over.set()
        beside.join()
    assert time.monotonic() - began < 20
