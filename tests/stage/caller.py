"""A member at the other end of a websocket, and a service to call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aggregator.cards import Cards
from aggregator.identity import create, own_tls, tls_context
from aggregator.server.limits import Limits
from aggregator.server.server import Server
from protocol.encoding import encode
from protocol.terms.terms import Terms
from protocol.wire.channel import SealedChannel
from protocol.wire.frames import (
    Entries,
    FromAggregator,
    FromMember,
    Rejected,
    Subscribe,
    Welcome,
    decode_confirmation,
    decode_from_aggregator,
)
from protocol.wire.handshake import MemberHandshake
from tests.stage.desk import Desk
from tests.stage.toy import Federation

HOST = "127.0.0.1"
QUICK = Limits(hello_seconds=5.0, ping_seconds=0.3, tick_seconds=0.02, status_seconds=0.02)
PATIENCE = 20.0  # seconds; only a failing test waits for so long


@functools.cache
def server_tls() -> ssl.SSLContext:
    """A certificate as ``init`` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder), "Toy", HOST, 8443)
        return tls_context(own_tls(Path(folder)))


def client_tls() -> ssl.SSLContext:
    """Whoever calls here does not care whom it reaches."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Service:
    """A desk with a door."""

    desk: Desk
    server: Server
    port: int

    @property
    def terms(self) -> Terms:
        return self.desk.federation.terms

    async def goes_on(self) -> bool:
        """Whether a member is still served."""
        async with self.member(3) as line:
            return isinstance(await line.ask(Subscribe(0)), Entries)

    def stranger(self) -> contextlib.AbstractAsyncContextManager[Line]:
        """A connection on which nothing has been said yet."""
        return stranger(self.port, self.desk.federation)

    @contextlib.asynccontextmanager
    async def member(
        self,
        member: int,
        instance: bytes | None = None,
        purpose: Literal["member", "status"] = "member",
    ) -> AsyncIterator[Line]:
        """A member that has been let in."""
        async with self.stranger() as line:
            answer = await line.introduce(
                member, self.desk.federation.keys[member], instance, purpose
            )
            assert isinstance(answer, Welcome), answer
            yield line


@contextlib.asynccontextmanager
async def stranger(port: int, federation: Federation) -> AsyncIterator[Line]:
    """A connection to a service on which nothing has been said yet."""
    async with connect(
        f"wss://{HOST}:{port}", ssl=client_tls(), compression=None, max_queue=None,
        close_timeout=1, proxy=None,
    ) as socket:  # fmt: skip
        yield Line(socket, federation)


@dataclass
class Line:
    """One websocket, frame by frame."""

    socket: ClientConnection
    federation: Federation
    channel: SealedChannel = field(init=False)

    async def hear(self) -> FromAggregator:
        return decode_from_aggregator(self.channel.open(await self._next()))

    async def say(self, frame: FromMember) -> None:
        await self.socket.send(self.channel.seal(encode(frame)))

    async def ask(self, frame: FromMember) -> FromAggregator:
        await self.say(frame)
        return await self.hear()

    async def introduce(
        self,
        member: int,
        key: Ed25519PrivateKey,
        instance: bytes | None = None,
        purpose: Literal["member", "status"] = "member",
        challenge: bytes | None = None,
    ) -> FromAggregator:
        """Answer the challenge (or another one); what is said to that."""
        instance = instance or secrets.token_bytes(16)
        handshake = MemberHandshake(
            self.federation.terms, self.federation.card, member, instance, purpose, key
        )
        found = await self._next()
        hello, self.channel = handshake.answer(challenge or found)
        await self.socket.send(encode(hello))
        async with asyncio.timeout(PATIENCE):
            confirmation = decode_confirmation(self.channel.open(await self._next()))
        if isinstance(confirmation, Rejected):
            return confirmation
        handshake.check(confirmation)
        return await self.hear()

    async def challenged(self) -> bytes:
        """The aggregator's first frame."""
        return await self._next()

    async def _next(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            data = await self.socket.recv()
        assert isinstance(data, bytes)
        return data

    async def entries(self, count: int) -> list[bytes]:
        """The next entries that are pushed."""
        found: list[bytes] = []
        while len(found) < count:
            frame = await self.hear()
            assert isinstance(frame, Entries), frame
            found += frame.entries
        return found

    async def end(self) -> tuple[int | None, str]:
        """Wait until the other side has hung up; its code and reason."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code, self.socket.close_reason or ""


@contextlib.asynccontextmanager
async def serving(desk: Desk, limits: Limits = QUICK) -> AsyncIterator[Service]:
    """A desk's service on a free port."""
    server = Server(desk.service, cards_of(desk), desk.folder, limits)
    async with server.listening(HOST, 0, server_tls()) as port:
        yield Service(desk, server, port)


def cards_of(desk: Desk) -> Cards:
    """Its first card alone."""
    return Cards(desk.federation.keys[0], None, desk.federation.card)


async def until(holds: object) -> None:
    """Wait until a function says yes."""
    assert callable(holds)
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)
