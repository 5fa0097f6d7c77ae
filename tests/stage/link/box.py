"""A box between hospital and aggregator whose certificate both sides believe; it sees every frame.

So does a proxy where TLS ends, and one that inspects TLS with an authority of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterable, Callable, Iterator
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.stage.link.relay import TlsKey

Deed = Callable[[str, int, bytes], list[bytes]]


def passes_on(direction: str, number: int, frame: bytes) -> list[bytes]:
    """What an honest box does."""
    return [frame]


@dataclass
class Box:
    """Listens on a port, and passes on to another one what ``deed`` makes of each frame.

    deed: is told "up" or "down", the frame's number in that direction of this connection, and the
    frame; it gives the frames to send in its place.
    """

    port: int
    to: int
    tls: TlsKey
    deed: Deed = passes_on
    seen: list[bytes] = field(default_factory=list)
    connections: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Box]:
        """Stand in between until the block ends."""
        loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        work = lambda: loop.run_until_complete(self._run(stop, ready))  # noqa: E731
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        assert ready.wait(10), "the box does not start"
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            loop.close()

    async def _run(self, stop: asyncio.Event, ready: threading.Event) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        async with serve(
            self._connection, "127.0.0.1", self.port, ssl=context, compression=None, max_size=None
        ):
            ready.set()
            await stop.wait()

    async def _connection(self, near: ServerConnection) -> None:
        self.connections += 1
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with contextlib.suppress(ConnectionClosed, OSError):
            async with connect(
                f"wss://localhost:{self.to}", ssl=context, compression=None, max_size=None,
                proxy=None,
            ) as far:  # fmt: skip
                ways = [
                    asyncio.create_task(self._pass("up", near, far.send)),
                    asyncio.create_task(self._pass("down", far, near.send)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(
        self, direction: str, source: AsyncIterable[str | bytes], send: Callable[[bytes], object]
    ) -> None:
        number = 0
        async for data in source:
            assert isinstance(data, bytes)
            self.seen.append(data)
            for frame in self.deed(direction, number, data):
                sending = send(frame)
                assert asyncio.iscoroutine(sending)
                await sending
            number += 1
