"""An aggregator for the tests of sessions: the real core behind the plainest possible server.

It can be told to misbehave: to drop connections after so many frames, to answer a hello with a
rejection, or to send something else than it should.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from aggregator.identity import create, own_tls
from aggregator.server.service import Aggregator
from protocol.encoding import encode
from protocol.errors import BrokenChannel, Malformed
from protocol.messages.bodies import Body
from protocol.terms.terms import Terms
from protocol.wire.channel import MAX_SEALED_BYTES, SealedChannel
from protocol.wire.frames import StatusRequest, Subscribe, Welcome, decode_from_member
from protocol.wire.handshake import AggregatorHandshake, Introduced, TurnedAway


@dataclass(frozen=True)
class TlsKey:
    """A self-signed certificate, as files in a folder."""

    certificate: Path
    key: Path
    pin: bytes


def make_tls_key(folder: Path) -> TlsKey:
    """A fresh certificate for localhost, as ``init`` makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    pin, files = create(folder, "localhost", "localhost", 8443).pin, own_tls(folder)
    return TlsKey(files.certificate, files.key, pin)


@dataclass
class Relay:
    """Serves one federation on a port of 127.0.0.1, in a thread of its own."""

    terms: Terms
    key: Ed25519PrivateKey
    tls: TlsKey
    folder: Path
    port: int
    drop_after: int = 0  # frames of a connection; 0: never
    pings: int = 0  # before the challenge
    say_first: Any = None  # instead of the challenge: a frame, bytes, text or a list of pieces
    answer_hello: Any = None  # instead of the welcome: a frame
    connections: int = 0
    hellos: list[Introduced] = field(default_factory=list)
    _open: dict[ServerConnection, tuple[SealedChannel, int]] = field(default_factory=dict)

    async def _serve(self, stop: asyncio.Event, ready: threading.Event) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.core = Aggregator(self.terms, self.key, self.folder, lambda: int(time.time() * 1000))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        async with serve(
            self._connection,
            "127.0.0.1",
            self.port,
            ssl=context,
            compression=None,
            max_size=MAX_SEALED_BYTES,
        ):
            ready.set()
            while not stop.is_set():
                self.core.tick()
                await self._push()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.05)
        self.core.close()

    async def _connection(self, connection: ServerConnection) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionClosed, BrokenChannel, Malformed):
            await self._converse(connection)
        self._open.pop(connection, None)

    async def _converse(self, connection: ServerConnection) -> None:
        handshake = AggregatorHandshake(
            self.terms, self.key, secrets.token_bytes(32), lambda number, url: True
        )
        for _ in range(self.pings):
            await connection.ping()
        first = handshake.challenge if self.say_first is None else self.say_first
        await connection.send(first if isinstance(first, str | bytes | list) else encode(first))
        hello = handshake.take(bytes(await connection.recv(decode=False)))
        if isinstance(hello, TurnedAway):
            await connection.send(hello.channel.seal(encode(hello.answer)))
            return
        self.hellos.append(hello)
        channel = hello.channel
        if self.answer_hello is not None:
            await connection.send(channel.seal(encode(self.answer_hello)))
            return
        await connection.send(channel.seal(encode(handshake.confirmation(hello))))
        await connection.send(channel.seal(encode(Welcome(*self.core.board.head))))
        received = 0
        async for data in connection:
            received += 1
            if self.drop_after and received > self.drop_after:
                return
            frame = decode_from_member(channel.open(bytes(data)))  # type: ignore[arg-type]
            assert hello.purpose == "member" or isinstance(frame, StatusRequest)
            for answer in self.core.receive(hello.member, frame):
                await connection.send(channel.seal(encode(answer)))
            if isinstance(frame, Subscribe):
                self._open[connection] = channel, self.core.board.head.position
            await self._push()

    async def _push(self) -> None:
        for connection, (channel, position) in list(self._open.items()):
            if position < (head := self.core.board.head.position):
                self._open[connection] = channel, head
                with contextlib.suppress(ConnectionClosed, BrokenChannel):
                    entries = encode(self.core.entries_after(position))
                    await connection.send(channel.seal(entries))

    def say(self, session: str, body: Body) -> None:
        """Post as the aggregator, whether or not an honest one would."""

        async def post() -> None:
            self.core._say(session, body)

        asyncio.run_coroutine_threadsafe(post(), self._loop).result(10)

    @contextlib.contextmanager
    def running(self) -> Iterator[Relay]:
        """Serve until the block ends."""
        stop, ready = asyncio.Event(), threading.Event()
        loop = self._loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=lambda: loop.run_until_complete(self._serve(stop, ready)), daemon=True
        )
        thread.start()
        assert ready.wait(10), "the relay does not start"
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            loop.close()
