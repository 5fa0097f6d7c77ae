"""A command's end of the door: a line to the agent that runs, and what is said on it."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from participant.disk import connect
from participant.door.framing import Unframer, framed
from participant.door.messages import (
    ADMINISTRATION,
    MAX_ANSWER_BYTES,
    VERSION,
    Denied,
    FromAgent,
    FromCommand,
    Greeted,
    Greeting,
    read_answer,
)
from participant.door.place import socket_path
from participant.errors import AgentDenies, DoorClosed, NoAgent
from protocol.words import shown

_ANSWER_SECONDS = 10.0  # for the answer to a greeting
_CHUNK = 1 << 16


class Line:
    """An open connection to a running agent, which has greeted."""

    def __init__(
        self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._path, self._reader, self._writer = path, reader, writer
        self._unframer, self._frames = Unframer(MAX_ANSWER_BYTES), deque[bytes]()

    async def say(self, message: FromCommand) -> None:
        """Send a frame; raises DoorClosed."""
        try:
            self._writer.write(framed(message))
            await self._writer.drain()
        except OSError:
            raise DoorClosed(self._path) from None

    async def hear(self) -> FromAgent:
        """The next thing said; raises DoorClosed, AgentDenies, Malformed. May be cancelled."""
        while not self._frames:
            try:
                data = await self._reader.read(_CHUNK)
            except OSError:
                data = b""
            if not data:
                raise DoorClosed(self._path)
            self._frames.extend(self._unframer.feed(data))
        found = read_answer(self._frames.popleft())
        if isinstance(found, Denied):
            raise AgentDenies(self._path, shown(found.reason))
        return found


@asynccontextmanager
async def open_line(folder: Path, found: socket.socket | None = None) -> AsyncIterator[Line]:
    """A line to the agent of a federation's folder; ``found``: one that is connected already.

    Raises NoAgent where none runs, and AgentDenies where it does not speak this conversation.
    """
    path = socket_path(folder)
    if (found or (found := connect(path))) is None:
        raise NoAgent(path)
    reader, writer = await asyncio.open_unix_connection(sock=found, limit=_CHUNK)
    try:
        line = Line(path, reader, writer)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await line.say(Greeting(ADMINISTRATION, VERSION))
                greeted = await line.hear()
        except TimeoutError:
            raise AgentDenies(path, "it does not answer") from None
        if not isinstance(greeted, Greeted) or greeted.version != VERSION:
            raise AgentDenies(path, "it speaks another version. Restart it with this release")
        yield line
    finally:
        writer.close()
