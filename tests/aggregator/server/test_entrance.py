"""Strangers at the service's door, over real sockets."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from unittest.mock import Mock, patch

import pytest
from websockets.frames import Opcode

from aggregator.server import descriptors
from aggregator.server.limits import OWN_DESCRIPTORS
from protocol.messages.attachment import blob_name
from protocol.wire.frames import BlobChunk, BlobHave, Entries, Subscribe, Welcome
from tests.stage.caller import HOST, PATIENCE, QUICK, Service, client_tls, serving, until
from tests.stage.desk import Desk

FEW = replace(QUICK, strangers=6, strangers_of_network=5, strangers_of_address=4)


class Silent:
    """A TCP connection that says nothing; it may come from another loopback address."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.socket = socket.create_connection((HOST, port), source_address=(host, 0))
        self.socket.setblocking(False)

    async def end(self) -> None:
        """Wait until the other side has hung up."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.get_running_loop().sock_recv(self.socket, 1) == b""

    def is_open(self) -> bool:
        try:
            return self.socket.recv(1) != b""
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False


@contextlib.contextmanager
def silent(port: int, count: int, host: str = HOST) -> Iterator[list[Silent]]:
    """So many silent connections."""
    made = [Silent(port, host) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.socket.close()


@contextlib.asynccontextmanager
async def secured(service: Service, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that finish TLS and say nothing in it."""
    pairs = [
        await asyncio.open_connection(HOST, service.port, ssl=client_tls()) for _ in range(count)
    ]
    try:
        yield [reader for reader, _ in pairs]
    finally:
        for _, writer in pairs:
            writer.transport.abort()


def strangers(service: Service) -> int:
    return service.server._entrance.door.strangers


# ── counted from the acceptance on ──


async def test_a_connection_without_a_byte_counts_as_soon_as_it_is_accepted(desk: Desk) -> None:
    async with serving(desk) as service:
        with silent(service.port, 3):
            await until(lambda: strangers(service) == 3)
            assert not service.server._entrance._securing  # and has cost no TLS
        await until(lambda: strangers(service) == 0)


async def test_the_oldest_silent_connection_goes_and_members_come_in(desk: Desk) -> None:
    async with serving(desk, FEW) as service:
        with silent(service.port, 6) as held:
            await held[0].end()
            await held[1].end()
            assert await service.goes_on()
            await held[2].end()
            assert held[5].is_open()


async def test_connections_silent_inside_tls_make_room_too(desk: Desk) -> None:
    async with serving(desk, FEW) as service, secured(service, 4) as held:
        for _ in range(3):
            assert await service.goes_on()
        assert await held[0].read() == b""


async def test_an_address_that_is_full_takes_nothing_from_another(desk: Desk) -> None:
    async with serving(desk, FEW) as service, service.stranger() as honest:
        with silent(service.port, 30, "127.0.1.2"):
            await until(lambda: strangers(service) == 5)
            answer = await honest.introduce(1, desk.federation.keys[1])
            assert isinstance(answer, Welcome)


async def test_members_are_not_among_those_who_make_room(desk: Desk) -> None:
    async with serving(desk, FEW) as service, service.member(1) as line:
        with silent(service.port, 12):
            await until(lambda: strangers(service) == 4)
            data = b"x" * 5_000
            answer = await line.ask(BlobChunk(blob_name(data), len(data), 0, data))
            assert isinstance(answer, BlobHave)


# ── bounded in time and bytes ──


async def test_whoever_never_sends_a_byte_is_dropped_in_time(desk: Desk) -> None:
    async with serving(desk, replace(QUICK, hello_seconds=0.1)) as service:
        with silent(service.port, 1) as (one,):
            await one.end()
        assert strangers(service) == 0


async def test_whoever_says_no_hello_inside_tls_is_dropped_in_time(desk: Desk) -> None:
    limits = replace(QUICK, hello_seconds=2.0)
    async with serving(desk, limits) as service, service.stranger() as line:
        await line.challenged()
        await line.end()
        await until(lambda: strangers(service) == 0)


async def test_a_drip_of_bytes_does_not_put_off_the_deadline(desk: Desk) -> None:
    async with serving(desk, replace(QUICK, hello_seconds=0.3)) as service:
        reader, writer = await asyncio.open_connection(HOST, service.port, ssl=client_tls())
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                for letter in b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000:
                    writer.write(bytes([letter]))
                    await writer.drain()
                    await asyncio.sleep(0.02)
                    if reader.at_eof():
                        break
            assert reader.at_eof() or reader.exception()
        writer.transport.abort()


async def test_a_member_outlives_the_deadline_of_its_hello(desk: Desk) -> None:
    limits = replace(QUICK, hello_seconds=2.0)
    async with (
        serving(desk, limits) as service,
        service.member(1) as line,
        service.stranger() as later,
    ):
        await later.end()  # came after the member, and had to go
        data = b"x" * 5_000
        answer = await line.ask(BlobChunk(blob_name(data), len(data), 0, data))
        assert isinstance(answer, BlobHave)


async def test_a_stranger_may_say_little_before_its_hello(desk: Desk) -> None:
    async with serving(desk) as service:
        async with service.stranger() as line:
            await line.challenged()
            await line.socket.send(b"x" * (QUICK.stranger_bytes + 1))
            assert (await line.end())[0] == 1006
        reader, writer = await asyncio.open_connection(HOST, service.port, ssl=client_tls())
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * QUICK.stranger_bytes)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.transport.abort()
        assert await service.goes_on()


# ── pings, pongs and messages in pieces ──


def frames(opcode: int, count: int, data: bytes = b"") -> bytes:
    """So many whole websocket frames as a client sends them, under a mask of zeros."""
    return count * (bytes([0x80 | opcode, 0x80 | len(data)]) + bytes(4) + data)


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
@pytest.mark.parametrize("member", [False, True])
async def test_whoever_sends_many_pings_or_pongs_is_dropped(
    desk: Desk, opcode: int, member: bool
) -> None:
    async with serving(desk) as service:
        async with service.member(1) if member else service.stranger() as line:
            line.socket.transport.write(frames(opcode, 500))
            assert await line.end() == (1002, "too many pings or pongs")
        assert await service.goes_on()


async def test_a_few_pings_are_answered(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        async with asyncio.timeout(PATIENCE):
            for _ in range(5):
                await (await line.socket.ping())
        assert isinstance(await line.ask(Subscribe(0)), Entries)


async def test_a_message_in_pieces_is_not_gathered(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        line.socket.transport.write(b"\x02\x80" + bytes(4) + 100 * (b"\x00\x80" + bytes(4)))
        assert await line.end() == (1002, "a message in pieces")


async def test_a_connection_that_has_ended_is_neither_read_nor_answered(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1):
        (caller,) = service.server._entrance._open
        with patch.object(caller, "transport", Mock(**{"is_closing.return_value": True})) as ended:
            with patch.object(caller.protocol, "receive_data") as parse:
                caller.data_received(frames(Opcode.PING, 1))
            assert not parse.called
            caller.protocol.send_pong(b"late")
            caller.send_data()
            assert not ended.write.called


async def test_all_pongs_go_out_as_one_piece(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1):
        (caller,) = service.server._entrance._open
        with patch.object(caller, "transport", Mock(**{"is_closing.return_value": False})) as sent:
            caller.data_received(frames(Opcode.PING, 8))
            assert sent.write.call_count == 1


# ── descriptors ──


async def test_strangers_leave_descriptors_for_the_store(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    n_members = len(desk.federation.members)
    room = QUICK.known(n_members) + OWN_DESCRIPTORS
    monkeypatch.setattr("aggregator.server.server.raise_limit", lambda wanted: room + 5)
    async with serving(desk) as service:
        assert "at most 5 connections" in caplog.text
        with silent(service.port, 20):
            await until(lambda: strangers(service) == 5)
            assert await service.goes_on()


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert descriptors.raise_limit(1_000) == (1_000 if hard == resource.RLIM_INFINITY else hard)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(1_000, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_system_without_descriptors_is_told_once_and_keeps_the_loop_free(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.server.entrance._PAUSE_SECONDS", 0.02)
    async with serving(desk) as service:
        entrance = service.server._entrance
        tries = 0
        accept = entrance._accept

        def counted(listening: socket.socket) -> None:
            nonlocal tries
            tries += 1
            accept(listening)

        monkeypatch.setattr(entrance, "_accept", counted)
        callers = [socket.socket() for _ in range(3)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest)]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1, hard))
            for caller in callers:
                caller.setblocking(False)
                await asyncio.get_running_loop().sock_connect(caller, (HOST, service.port))
            await asyncio.sleep(0.3)
            assert strangers(service) == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        assert caplog.text.count("no connection can be accepted") == 1
        assert tries < 50
        await until(lambda: strangers(service) == 3)
        for caller in callers:
            caller.close()
        assert await service.goes_on()


# ── what is said of it ──


async def test_a_flood_of_strangers_costs_few_lines_of_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(desk, replace(FEW, hello_seconds=1.5)) as service:
        for _ in range(4):
            with silent(service.port, 20):
                await until(lambda: strangers(service) == 4)
        with silent(service.port, 4):
            await until(lambda: strangers(service) == 0)
        for _ in range(4):
            async with service.stranger() as line:
                await line.challenged()
                await line.socket.send(b"garbage")
                await line.end()
    assert 3 <= len(caplog.records) <= 8
    assert "more in" in caplog.text


async def test_what_asyncio_says_of_connections_is_counted(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(desk):
        for _ in range(50):
            logging.getLogger("asyncio").warning("socket.send() raised exception.")
    assert caplog.text.count("socket.send()") == 2
    assert "asyncio: 49 more" in caplog.text
