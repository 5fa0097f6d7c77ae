"""One member's websocket after its Hello, and what is still to be sent on it."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from aggregator.errors import AggregatorError
from aggregator.server.admission import read_frame
from protocol.encoding import encode
from protocol.wire import Confirmation, FromAggregator, FromMember, Introduced

Place = tuple[int, bytes]  # a number, and the key of whoever has it: guests' change hands


class SlowReader(AggregatorError):
    """A member that does not read what it is sent."""


@dataclass(eq=False)
class Connection:
    """An authenticated session; ``sent`` is the last entry that went out to it."""

    socket: ServerConnection
    introduced: Introduced
    name: str  # of the member or guest, for people
    since: str  # ISO 8601, UTC
    send_seconds: float
    sent: int = 0
    subscribed: bool = False
    asked: bool = False  # a Subscribe is to be answered, if need be with nothing
    slow: bool = False  # it was dropped because it did not read
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    card: int = 0  # the number of the newest card that it is known to have
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self.card = self.introduced.card

    @property
    def member(self) -> int:
        """Whose it is."""
        return self.introduced.member

    @property
    def key(self) -> bytes:
        """With which it has shown who it is."""
        return self.introduced.key

    @property
    def place(self) -> Place:
        """Which one process alone may take part for."""
        return self.member, self.key

    @property
    def instance(self) -> bytes:
        """Of which process."""
        return self.introduced.instance

    @property
    def purpose(self) -> Literal["member", "status"]:
        """What it may be used for."""
        return self.introduced.purpose

    def read(self, data: str | bytes) -> FromMember:
        """The frame that came next; raises Malformed, and BrokenChannel for what is not it."""
        return read_frame(data, self.introduced.channel)

    def subscribe(self, after: int) -> None:
        """Send the entries after a position, and later ones as they come."""
        self.sent, self.subscribed, self.asked = after, True, True
        self.wake.set()

    async def send(self, frame: FromAggregator | Confirmation) -> None:
        """Send a frame; raises ConnectionClosed, or SlowReader and drops the connection."""
        try:
            # A frame is sealed when it is its turn: the other side opens them in this order alone.
            async with asyncio.timeout(self.send_seconds), self._turn:
                await self.socket.send(self.introduced.channel.seal(encode(frame)))
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
