"""A door that closes while commands come and are served: nothing is left open, nothing logged."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from participant.disk import connect
from participant.door import place
from participant.door.framing import framed
from participant.door.messages import ADMINISTRATION, VERSION, Greeting, JobWanted, MakeKey
from participant.door.server import Door
from tests.participant.door.conftest import FakeDesk

GREETING = framed(Greeting(ADMINISTRATION, VERSION))
JOB = framed(JobWanted(MakeKey(None), "federation.toml", ""))
MOMENT = 10  # rounds of the event loop, more than an end takes


@asynccontextmanager
async def nothing_logged() -> AsyncIterator[None]:
    """asyncio has nothing to complain of, and no task is left when the block is over."""
    said, loop = list[dict[str, Any]](), asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, about: said.append(about))
    before = asyncio.all_tasks()
    yield
    for _ in range(MOMENT):
        await asyncio.sleep(0)
    assert not said
    assert asyncio.all_tasks() == before


def connected(folder: Path, said: bytes = b"") -> socket.socket:
    line = connect(place.socket_path(folder))
    assert line is not None
    line.send(said)
    return line


@pytest.mark.parametrize("said", [b"", GREETING, GREETING + JOB], ids=["none", "greeted", "job"])
async def test_a_door_closes_on_an_open_connection_without_a_word(
    said: bytes, folder: Path
) -> None:
    door = Door(folder, desk := FakeDesk(forever=True))
    async with nothing_logged():
        async with door.open():
            line = connected(folder, said)
            while not (desk.begun.is_set() if said.endswith(JOB) else door._lines):
                await asyncio.sleep(0)
        assert is_hung_up(line)


@pytest.mark.parametrize("rounds", range(6))
async def test_a_door_closes_on_a_connection_that_is_just_being_made(
    rounds: int, folder: Path
) -> None:
    async with nothing_logged(), Door(folder, FakeDesk()).open():
        line = connected(folder, GREETING)
        for _ in range(rounds):
            await asyncio.sleep(0)
    line.close()


async def test_a_connection_is_closed_that_was_called_off_before_it_was_served(
    folder: Path,
) -> None:
    begin, called_off = asyncio.create_task, list[asyncio.Task[None]]()

    def called_off_at_once(course: Any) -> "asyncio.Task[None]":
        called_off.append(begin(course))
        called_off[-1].cancel()
        return called_off[-1]

    door = Door(folder, FakeDesk())
    async with nothing_logged(), door.open():
        line = connected(folder)
        with patch("asyncio.create_task", called_off_at_once):
            for _ in range(MOMENT):
                await asyncio.sleep(0)
        assert called_off
        assert not door._lines
        assert is_hung_up(line)


def is_hung_up(line: socket.socket) -> bool:
    """Whether the other end says no more; what it has said is read."""
    with line:
        try:
            while line.recv(1 << 16):
                pass
        except ConnectionResetError:
            return True
        except BlockingIOError:
            return False
        return True
