# SPDX-License-Identifier: Apache-2.0
"""The narrow door: which bytes get as far as the gate, and which do not."""

import asyncio
import contextlib
import gzip
import logging
from collections.abc import Awaitable, Callable

import pytest
from flwr.proto.fleet_pb2 import PullMessagesRequest
from quorate_flower.gate import listener
from quorate_flower.gate.errors import CannotStart
from quorate_flower.gate.gate import Gate
from quorate_flower.gate.listener import Listener

from tests.gate.superlink import Door, ScriptedSuperLink

HEAD = "Host: gate\r\nContent-Type: application/protobuf\r\n"
PULL = PullMessagesRequest().SerializeToString()


class Line:
    """A connection to the gate."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, text: str | bytes) -> None:
        """Send this."""
        self.writer.write(text.encode() if isinstance(text, str) else text)

    async def hears(self) -> bytes:
        """All that comes until the gate closes the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def status(self) -> int:
        """The status of the next answer, which is read whole."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await self.reader.readexactly(size)
        return int(head.split(b" ")[1])


def scene(play: Callable[[Callable[[], Awaitable[Line]], Door], Awaitable[None]]) -> None:
    """Play it at the door of a gate."""

    async def played() -> None:
        door = Door(ScriptedSuperLink())
        server = await Listener(door.gate).start("127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        lines: list[Line] = []

        async def connect() -> Line:
            lines.append(Line(*await asyncio.open_connection("127.0.0.1", port)))
            return lines[-1]

        try:
            await play(connect, door)
        finally:
            for line in lines:
                line.writer.close()
            server.close()
            await door.gate.close()

    asyncio.run(played())


def post(name: str, body: bytes = b"", more: str = "") -> bytes:
    """A request as a SuperNode makes it, or nearly."""
    head = f"POST /v1/fleet/{name} HTTP/1.1\r\n{HEAD}{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def one(request: bytes) -> int:
    """The status of the answer to one request."""
    found: list[int] = []

    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(request)
        found.append(await line.status())

    scene(play)
    return found[0]


def test_a_request_of_a_supernode_is_answered() -> None:
    assert one(post("pull-messages", PULL)) == 200


def test_requests_follow_each_other_on_one_connection() -> None:
    async def play(connect: Callable[[], Awaitable[Line]], door: Door) -> None:
        line = await connect()
        for _ in range(3):
            line.say(post("pull-messages", PULL))
            assert await line.status() == 200
        line.say(post("pull-messages", PULL) + post("activate-node"))  # at once
        assert await line.status() == 200
        assert await line.status() == 200
        assert len(door.superlink.asked("activate")) == 1

    scene(play)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/fleet/push-logs",
        "/v1/fleet/",
        "pull-messages",
        "/v1/control/start-run",
        "/v1/runtime/push-object",
        "/v1/fleet/pull-messages?x=Erika",
        "/v1/fleet/pull-messages/",
        "/v1/fleet/../fleet/pull-messages",
        "/V1/FLEET/pull-messages",
        "/v1/fleet/pull%2dmessages",
        "http://superlink/v1/fleet/pull-messages",
        "/",
    ],
)
def test_other_paths_lead_nowhere(path: str) -> None:
    assert one(f"POST {path} HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n\r\n".encode()) == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "CONNECT", "PATCH", "post"])
def test_other_methods_lead_nowhere(method: str) -> None:
    request = f"{method} /v1/fleet/pull-messages HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n\r\n"
    assert one(request.encode()) in (405, 404)


def test_a_compressed_request_is_not_unpacked() -> None:
    body = gzip.compress(PULL)
    assert one(post("pull-messages", body, "Content-Encoding: gzip\r\n")) == 415


def test_another_content_type_is_refused() -> None:
    request = b"POST /v1/fleet/pull-messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    assert one(request) == 415


def test_a_body_in_chunks_is_refused() -> None:
    head = f"POST /v1/fleet/pull-messages HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"
    assert one(head.encode() + b"0\r\n\r\n") == 411


@pytest.mark.parametrize(
    "more",
    [
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length : 5\r\n",
        "X: a\r\n b\r\nTransfer-Encoding: xchunked\r\n",
    ],
)
def test_a_body_whose_end_can_be_read_in_two_ways_ends_the_connection(more: str) -> None:
    """What could be a second request to one reader must not be one to another."""
    second = post("activate-node")

    async def play(connect: Callable[[], Awaitable[Line]], door: Door) -> None:
        line = await connect()
        line.say(f"POST /v1/fleet/pull-messages HTTP/1.1\r\n{HEAD}{more}\r\n".encode() + second)
        line.writer.write_eof()
        heard = await line.hears()
        assert b"200" not in heard.split(b"\r\n")[0]
        assert not door.superlink.asked("activate")

    scene(play)


def test_a_head_has_a_limit() -> None:
    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(f"POST /v1/fleet/pull-messages HTTP/1.1\r\n{HEAD}X: {'x' * 100_000}\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert await line.hears() == b""

    scene(play)


@pytest.mark.parametrize(
    ("name", "size"), [("pull-messages", 5000), ("push-messages", 66_000), ("push-object", 21_000)]
)
def test_a_body_has_a_limit_of_its_kind(name: str, size: int) -> None:
    assert one(post(name, b"\0" * size)) == 413


def test_a_large_body_is_read_to_its_end_and_thrown_away() -> None:
    """A SuperNode that cannot write its body takes that for a broken line, and tries for ever."""

    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(post("push-object", b"\0" * (6 << 20)))
        async with asyncio.timeout(10):
            await line.writer.drain()
        assert await line.status() == 413
        line.say(post("pull-messages", PULL))
        assert await line.status() == 200

    scene(play)


def test_a_body_without_end_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MOST_THROWN_BYTES", 1 << 20)

    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        head = f"POST /v1/fleet/push-object HTTP/1.1\r\n{HEAD}Content-Length: {1 << 40}\r\n\r\n"
        line.say(head.encode() + b"\0" * (2 << 20))
        assert await line.status() == 413
        with contextlib.suppress(ConnectionError):
            assert await line.hears() == b""

    scene(play)


def test_a_slow_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SLOW", 0.2)

    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(post("pull-messages", b"1234")[:-1])
        assert await line.hears() == b""

    scene(play)


def test_an_answer_that_nobody_reads_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SLOW", 0.2)
    size = 64 << 20

    async def answer(*_: object) -> bytes:
        return bytes(size)

    monkeypatch.setattr(Gate, "answer", answer)

    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(post("pull-messages", PULL))
        await asyncio.sleep(1)
        heard = b""
        with contextlib.suppress(ConnectionError):
            heard = await line.hears()
        assert len(heard) < size

    scene(play)


@pytest.mark.parametrize("said", ["", "POST /v1/fl"])
def test_a_connection_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(listener, "IDLE", 0.2)

    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(said)
        assert await line.hears() == b""

    scene(play)


def test_there_are_only_so_many_connections() -> None:
    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        held = [await connect() for _ in range(listener.MOST_CONNECTIONS)]
        held[-1].say(post("pull-messages", PULL))
        assert await held[-1].status() == 200
        late = await connect()
        assert await late.hears() == b""
        held[0].writer.close()
        await asyncio.sleep(0.1)
        later = await connect()
        later.say(post("pull-messages", PULL))
        assert await later.status() == 200

    scene(play)


def test_grpc_is_told_why_nobody_serves_it(caplog: pytest.LogCaptureFixture) -> None:
    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        heard = await line.hears()
        assert heard.startswith(b"\0\0\0\4\0\0\0\0\0")  # SETTINGS
        assert heard[12] == 7  # GOAWAY
        assert b"speaks HTTP alone" in heard

    scene(play)
    assert "speaks gRPC to the gate" in caplog.text


def test_tls_is_told_in_the_log_to_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        line = await connect()
        line.say(b"\x16\x03\x01\x02\x00\x01")
        assert await line.hears() == b""

    scene(play)
    assert "start it with --insecure" in caplog.text


def test_an_unforeseen_error_says_its_class_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> bytes:
        raise RuntimeError("Erika Mustermann")

    monkeypatch.setattr(Gate, "answer", fails)
    assert one(post("pull-messages", PULL)) == 500
    assert "RuntimeError" in caplog.text
    assert "Erika" not in caplog.text


def test_a_busy_port_is_an_error_with_a_remedy() -> None:
    async def play() -> None:
        door = Door(ScriptedSuperLink())
        server = await Listener(door.gate).start("127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            with pytest.raises(CannotStart, match="choose another port or address with --listen"):
                await Listener(door.gate).start("127.0.0.1", port)
        finally:
            server.close()

    asyncio.run(play())


def test_garbage_ends_a_connection_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async def play(connect: Callable[[], Awaitable[Line]], _: Door) -> None:
        for said in (b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 5000):
            line = await connect()
            line.say(said)
            line.writer.write_eof()
            assert b"HTTP/1.1 200" not in await line.hears()

    caplog.set_level(logging.INFO)
    scene(play)
    assert "Traceback" not in caplog.text
