"""The agent's end of the door: who may come in, how many, for how long, and what they get."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from participant.disk import check_peer, is_of_app, listen
from participant.door.fields import MAX_ANSWER_TO_QUESTION, MAX_SHORT_BYTES
from participant.door.framing import Unframer, framed
from participant.door.messages import (
    ADMINISTRATION,
    MAX_PART_BYTES,
    MAX_WANTED_BYTES,
    VERSION,
    AgentStanding,
    AgentState,
    Denied,
    Failed,
    Finished,
    FromAgent,
    FromCommand,
    Greeted,
    Greeting,
    JobWanted,
    Moved,
    Noticed,
    Part,
    StandingWanted,
    Stopping,
    StopWanted,
    read_wanted,
)
from participant.door.news import News
from participant.door.place import socket_path
from participant.door.study_messages import Answered, Asked
from participant.errors import ForeignPeer
from protocol.errors import Malformed
from protocol.words import shown

MAX_LINES = 16  # connections at a time
MAX_JOBS = 12  # of them, so that who waits for a job keeps nobody from stopping the agent
OPEN_SECONDS = 5.0  # for greeting and wish
READ_SECONDS = 30.0  # for one answer to be taken
MAX_LONG_BYTES = 2 * MAX_WANTED_BYTES  # of all wishes together that are longer than most
SLOWEST = 1 << 20  # bytes a second, of one of those
_PAUSE_SECONDS = 0.1  # between two looks at where a job is
_CHUNK = 1 << 16

Tell = Callable[[Moved | Noticed], None]
Ask = Callable[[Asked], asyncio.Future[bool]]


class Desk(Protocol):
    """What the door leads to."""

    @property
    def state(self) -> AgentState: ...

    async def standing(self) -> AgentStanding: ...

    async def perform(self, wanted: JobWanted, tell: Tell, ask: Ask) -> Finished:
        """Do a job to its end; cancelled if nobody waits for it any more. Raises its errors.

        What is asked may be answered at any time, or never.
        """

    def say(self, error: BaseException, wanted: JobWanted) -> Failed:
        """An error in words."""

    def stop(self) -> None: ...


class Door:
    """Listens in a folder whose lock is held. One wish a connection; none of them harms another."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self._folder, self._desk = folder, desk
        self._n_jobs = 0
        self._room = _Room(MAX_LONG_BYTES)
        self._lines: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let commands in while the block runs; raises what ``listen`` raises."""
        line = listen(socket_path(self._folder), MAX_LINES)
        server = await asyncio.start_unix_server(self._arrive, sock=line, limit=_CHUNK)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(socket_path(self._folder))
            server.close()
            self._is_closed = True
            for one in list(self._lines):
                one.cancel()
            if self._lines:
                await asyncio.wait(self._lines, timeout=READ_SECONDS)

    def _arrive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection is there; its task is ours, since asyncio logs one of its own cancelled."""
        if self._is_closed:
            writer.close()
            return
        line = _Line(reader, writer, self._room)
        entered = asyncio.create_task(self._enter(line))
        self._lines.add(entered)
        entered.add_done_callback(partial(self._leave, line))

    def _leave(self, line: "_Line", entered: "asyncio.Task[None]") -> None:
        """Also one that was cancelled before it began."""
        self._lines.discard(entered)
        line.close()

    async def _enter(self, line: "_Line") -> None:
        try:
            line.check_peer(socket_path(self._folder))
            if len(self._lines) > MAX_LINES:
                await line.say(Denied(f"{MAX_LINES} commands are being served already"))
                return
            await self._serve(line)
        except Malformed as error:
            with contextlib.suppress(TimeoutError, OSError):
                await line.say(Denied(f"{error.what}: {error.reason}"))
        except (ForeignPeer, TimeoutError, OSError, EOFError):
            pass  # a caller that is not ours, hangs, or has gone

    async def _serve(self, line: "_Line") -> None:
        async with asyncio.timeout(OPEN_SECONDS) as line.limit:
            greeting = await line.hear()
            if line.is_of_app:
                raise Malformed("greeting", "the process of an app has no part in administration")
            if not isinstance(greeting, Greeting):
                raise Malformed("wish", "it comes before the greeting")
            if greeting.conversation != ADMINISTRATION:
                said = shown(greeting.conversation)
                raise Malformed("greeting", f"this is the door of {ADMINISTRATION}, not of {said}")
            if greeting.version < VERSION:
                raise Malformed("greeting", f"version {greeting.version}, this is {VERSION}")
            await line.say(Greeted(VERSION, os.getpid(), self._desk.state))
            wanted = await line.hear()
        if isinstance(wanted, StandingWanted):
            await line.say(await self._desk.standing())
        elif isinstance(wanted, StopWanted):
            await line.say(Stopping())
            self._desk.stop()
        elif isinstance(wanted, JobWanted):
            if self._n_jobs >= MAX_JOBS:
                raise Malformed("wish", f"{MAX_JOBS} jobs are being done already")
            self._n_jobs += 1
            try:
                await self._perform(wanted, line)
            finally:
                self._n_jobs -= 1
        else:
            raise Malformed("wish", "the greeting was said before")

    async def _perform(self, wanted: JobWanted, line: "_Line") -> None:
        news = News()
        line.expect(MAX_ANSWER_TO_QUESTION)
        work = asyncio.create_task(self._desk.perform(wanted, news.tell, news.ask))
        work.add_done_callback(lambda _: news.end())
        gone = asyncio.create_task(_listen(news, line))
        told = asyncio.create_task(_pass_on(news, line))
        try:
            await asyncio.wait([gone, told], return_when=asyncio.FIRST_COMPLETED)
            if not told.done():
                gone.result()
                return
            told.result()
            error = work.exception()
            if error:
                await line.say(self._desk.say(error, wanted))
            else:
                await _finish(work.result(), line)
        finally:
            for one in (work, gone, told):
                one.cancel()
            await asyncio.wait([work, gone, told])
            for one in (work, gone, told):
                _ = one.cancelled() or one.exception()  # which nobody is left to hear


async def _finish(done: Finished, line: "_Line") -> None:
    """Say a result, in as many frames as it takes."""
    left = done.result
    while len(left) > MAX_PART_BYTES:
        await line.say(Part(left[:MAX_PART_BYTES]))
        left = left[MAX_PART_BYTES:]
    await line.say(Finished(left, done.bytes_up, done.bytes_down))


class _Line:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: "_Room"
    ) -> None:
        self._reader, self._writer = reader, writer
        self._unframer, self._frames = Unframer(MAX_WANTED_BYTES), deque[bytes]()
        self._room, self._taken = room, 0
        self.limit: asyncio.Timeout | None = None  # for greeting and wish
        self.is_stuck, self.is_of_app = False, is_of_app(writer.get_extra_info("socket"))

    async def hear(self) -> FromCommand:
        """The next thing said; raises Malformed, EOFError."""
        while not self._frames:
            data = await self._reader.read(_CHUNK)
            if not data:
                raise EOFError
            self._frames.extend(self._unframer.feed(data))
            self._make_room(self._unframer.due)
        return read_wanted(self._frames.popleft())

    def expect(self, limit: int) -> None:
        """Take frames of so many bytes from now on; raises Malformed if there is a longer one."""
        self._unframer.limit = limit
        self._frames.extend(self._unframer.feed(b""))

    @property
    def has_more(self) -> bool:
        """Whether something was said that is not heard yet."""
        return bool(self._frames) or not self._unframer.is_between

    def check_peer(self, path: Path) -> None:
        """Raises ForeignPeer, as ``place.check_peer`` does."""
        check_peer(self._writer.get_extra_info("socket"), path)

    def close(self) -> None:
        """Hang up."""
        self._room.left += self._taken
        self._taken = 0
        self._writer.transport.abort() if self.is_stuck else self._writer.close()

    def _make_room(self, size: int) -> None:
        """For a wish that is longer than most there is room, and time; raises Malformed if not."""
        if size <= MAX_SHORT_BYTES or self._taken:
            return
        if size > self._room.left:
            raise Malformed("wish", "other commands have said as much as there is room for")
        self._room.left -= size
        self._taken = size
        if self.limit is not None and (when := self.limit.when()):
            self.limit.reschedule(when + size / SLOWEST)

    async def say(self, message: FromAgent) -> None:
        """Send a frame; raises TimeoutError if it is not taken."""
        self.is_stuck = True
        self._writer.write(framed(message))
        async with asyncio.timeout(READ_SECONDS):
            await self._writer.drain()
        self.is_stuck = False


@dataclass
class _Room:
    """Bytes that wishes longer than most may still take, until what they are about is over."""

    left: int


async def _listen(news: News, line: _Line) -> None:
    """Take an answer to each question, until the other side hangs up; Malformed for all else."""
    with contextlib.suppress(EOFError):
        while True:
            said = await line.hear()
            if line.has_more or not isinstance(said, Answered):
                raise Malformed("wish", "one is done at a time")
            news.answer(said)


async def _pass_on(news: News, line: _Line) -> None:
    """Until the job is over and all is told; raises TimeoutError if it is not read."""
    while not news.is_over:
        await news.any.wait()
        for one in news.take():
            await line.say(one)
        if not news.is_over:
            await asyncio.sleep(_PAUSE_SECONDS)
    for one in news.take():
        await line.say(one)
