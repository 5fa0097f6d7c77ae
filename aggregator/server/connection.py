"""One member's websocket after its Hello, and what is still to be sent on it."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from aggregator.errors import AggregatorError
from protocol.encoding import encode
from protocol.wire import FromAggregator


class SlowReader(AggregatorError):
    """A member that does not read what it is sent."""


@dataclass(eq=False)
class Connection:
    """An authenticated session; ``sent`` is the last entry that went out to it."""

    socket: ServerConnection
    member: int
    instance: bytes
    purpose: Literal["member", "status"]
    since: str  # ISO 8601, UTC
    send_seconds: float
    sent: int = 0
    subscribed: bool = False
    asked: bool = False  # a Subscribe is to be answered, if need be with nothing
    slow: bool = False  # it was dropped because it did not read
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def subscribe(self, after: int) -> None:
        """Send the entries after a position, and later ones as they come."""
        self.sent, self.subscribed, self.asked = after, True, True
        self.wake.set()

    async def send(self, frame: FromAggregator) -> None:
        """Send a frame; raises ConnectionClosed, or SlowReader and drops the connection."""
        try:
            async with asyncio.timeout(self.send_seconds):
                await self.socket.send(encode(frame))
        except TimeoutError:
            self.slow = True
            self.drop()
            raise SlowReader from None

    async def is_alive(self, seconds: float) -> bool:
        """Whether the other side answers a ping in time."""
        try:
            async with asyncio.timeout(seconds):
                await (await self.socket.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True

    def drop(self) -> None:
        """End the connection without asking the other side."""
        self.socket.transport.abort()
