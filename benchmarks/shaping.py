"""A slow line between each hospital and the aggregator, as a proxy for TCP connections.

TLS goes through it end to end. Every connection is a line of its own, with its own rate and delay
in each direction: since a hospital keeps one connection open, that is a line for each hospital.
The model is a queue: bytes leave one after the other at the rate, and arrive one delay after they
have left. Two delays pass before the first byte, as for a handshake of TCP. There is no loss and
no slow start.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

_CHUNK_BYTES = 8_192
_BUFFER_BYTES = 64 << 10  # in a line besides what is under way; a sender is held up beyond it
_START_SECONDS = 10.0


@dataclass(frozen=True)
class Shape:
    """Delay in one direction, in seconds; rate of each direction in bit/s, None for no limit."""

    delay: float
    rate: float | None

    @property
    def capacity(self) -> int:
        """Chunks that may be in a line at once."""
        under_way = 0.0 if self.rate is None else self.delay * self.rate / 8
        return 1 + int(under_way + _BUFFER_BYTES) // _CHUNK_BYTES


class Lane:
    """One direction of a line: when what enters it comes out; times in seconds."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._free = 0.0

    def arrival(self, now: float, size: int) -> float:
        """When the last of ``size`` bytes that enter now arrives."""
        sending = 0.0 if self._shape.rate is None else 8 * size / self._shape.rate
        self._free = max(now, self._free) + sending
        return self._free + self._shape.delay


@contextlib.contextmanager
def shaped(shape: Shape, port: int, target: int) -> Iterator[int]:
    """Pass on what comes to a port of 127.0.0.1 (0: any) to another one; gives the port."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[int] = []

    async def serve() -> None:
        lines = set[asyncio.Task[None]]()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = loop.create_task(_line(shape, target, reader, writer))
            lines.add(line)
            line.add_done_callback(lines.discard)

        async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
            found.append(server.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()
            server.close()
            for line in lines:  # since Python 3.12, leaving this block waits for all of them
                line.cancel()
            await asyncio.gather(*lines, return_exceptions=True)

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(serve())

    thread = threading.Thread(target=run, name="shaping", daemon=True)
    thread.start()
    if not ready.wait(_START_SECONDS):
        raise OSError(f"cannot listen on port {port}")
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _line(
    shape: Shape, target: int, near: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    """Both directions of one connection, until both have ended or one is lost."""
    writers = [back]
    try:
        await asyncio.sleep(2 * shape.delay)
        far, forth = await asyncio.open_connection("127.0.0.1", target)
        writers.append(forth)
        async with asyncio.TaskGroup() as directions:
            directions.create_task(_direction(shape, near, forth))
            directions.create_task(_direction(shape, far, back))
    except* OSError:
        pass  # whoever still has the other end sees the connection close
    finally:
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _direction(
    shape: Shape, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    clock, lane = asyncio.get_running_loop().time, Lane(shape)
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(shape.capacity)

    async def deliver() -> None:
        while True:
            arrival, data = await under_way.get()
            await asyncio.sleep(arrival - clock())
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    async with asyncio.TaskGroup() as ends:
        ends.create_task(deliver())
        while True:
            data = await reader.read(_CHUNK_BYTES)
            await under_way.put((lane.arrival(clock(), len(data)), data))
            if not data:
                return
