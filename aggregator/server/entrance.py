"""From a listening socket to a websocket: one deadline from the acceptance to the hello.

A connection is counted as it is accepted. TLS begins with its first byte, so that one that never
sends a byte costs a descriptor and no more. What is sent inside TLS before the hello is counted too
(OpenSSL itself takes no ClientHello of more than 128 KiB).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ProtocolError
from websockets.frames import CTRL_OPCODES, Frame
from websockets.protocol import State
from websockets.server import ServerProtocol

from aggregator.server.door import Door, Visitor
from aggregator.server.limits import ACCEPTED_AT_ONCE, Limits
from aggregator.server.repeats import Tally
from protocol.wire import MAX_SEALED_BYTES, Allowance

_BACKLOG = 512  # connections that the kernel has made and nobody has accepted yet
_PAUSE_SECONDS = 0.2  # before the next try where the system has no descriptor or memory left
_CLOSE_SECONDS = 5.0
_SSL_SECONDS = 60.0  # never reached: the door's deadline comes first

Serve = Callable[["Caller"], Awaitable[None]]


class Arrival(Visitor):
    """A visitor with its socket: silent at first, then securing itself, then a websocket."""

    def __init__(
        self, connected: socket.socket, address: tuple[Any, ...], end: Callable[[Arrival], None]
    ) -> None:
        super().__init__(str(address[0]), int(address[1]), lambda: end(self))
        self.socket = connected
        self.deadline: asyncio.TimerHandle | None = None
        self.is_securing = False
        self.transport: asyncio.Transport | None = None  # once TLS stands
        self.heard = 0  # bytes inside TLS


class ModestProtocol(ServerProtocol):
    """A websocket whose other side may send few pings and pongs, and no message in pieces.

    It stops at the first frame beyond that, before anything is said or kept for it.
    """

    def __init__(self) -> None:
        super().__init__(max_size=MAX_SEALED_BYTES, logger=_quiet_logger())
        self._allowance = Allowance()

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode in CTRL_OPCODES:
            if not self._allowance.take(time.monotonic()):
                raise ProtocolError("too many pings or pongs")
        elif not frame.fin:
            raise ProtocolError("a message in pieces")
        super().recv_frame(frame)


class Caller(ServerConnection):
    """A websocket that knows whose it is."""

    def __init__(self, entrance: Entrance, arrival: Arrival) -> None:
        super().__init__(
            ModestProtocol(),
            entrance,  # type: ignore[arg-type]  # all that it asks of its server is there
            ping_interval=20,
            ping_timeout=40,
            close_timeout=_CLOSE_SECONDS,
            max_queue=2,
        )
        self.arrival, self._entrance = arrival, entrance

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.arrival.transport = self.transport
        self._entrance.door.step(self.arrival)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing() and self._entrance.may_say(self.arrival, len(data)):
            super().data_received(data)

    def send_data(self) -> None:
        """Write what is due as one piece, so that a connection that is lost fails once."""
        due = self.protocol.data_to_send()
        if self.transport.is_closing():
            return
        if data := b"".join(due):
            self.transport.write(data)
        if b"" in due:  # the library's mark of the end
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._entrance.leave(self.arrival)
        super().connection_lost(exc)


class Entrance:
    """Accepts connections and lets ``serve`` speak with those that become websockets."""

    def __init__(self, door: Door, limits: Limits, tally: Tally, serve: Serve) -> None:
        self.door, self._limits, self._tally, self._serve = door, limits, tally, serve
        self.handler_tasks: set[asyncio.Task[None]] = set()  # of all websockets, as they ask for it
        self._securing: set[asyncio.Task[None]] = set()
        self._listening: list[socket.socket] = []
        self._open: set[Caller] = set()

    async def open(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Listen on all addresses of a host; the port (a free one for 0). Raises OSError."""
        self._loop, self._tls = asyncio.get_running_loop(), tls
        self._listening = await _listen(host, port)
        for listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)
        return int(self._listening[0].getsockname()[1])

    async def close(self) -> None:
        """Let nobody in, say good-bye to members, and drop strangers."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
            listening.close()
        self._listening.clear()
        for stranger in self.door.all_strangers():
            stranger.drop()
        closing = [asyncio.create_task(caller.close(1001)) for caller in self._open]
        if tasks := {*closing, *self.handler_tasks, *self._securing}:
            await asyncio.wait(tasks)

    def is_serving(self) -> bool:
        """Whether new websockets are welcome."""
        return bool(self._listening)

    def introduce(self, caller: Caller, member: int | None) -> None:
        """This caller is a member; None: a guest of a handover."""
        self.door.introduce(caller.arrival, member)
        self._forget_deadline(caller.arrival)

    def leave(self, arrival: Arrival) -> None:
        """This connection has ended."""
        self.door.leave(arrival)
        self._forget_deadline(arrival)

    def may_say(self, arrival: Arrival, size: int) -> bool:
        """Whether a connection may send so many bytes more; it ends if not."""
        if not self.door.is_stranger(arrival):
            return True
        arrival.heard += size
        if arrival.heard <= self._limits.stranger_bytes:
            return True
        self._tally.say(
            "strangers who say too much", f"{arrival}: dropped, too much before a hello"
        )
        arrival.drop()
        return False

    # ── from the socket ──

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connected, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listening, error)
                return
            connected.setblocking(False)
            self._arrive(Arrival(connected, address, self._end))

    def _arrive(self, arrival: Arrival) -> None:
        arrival.deadline = self._loop.call_later(self._limits.hello_seconds, self._expire, arrival)
        self._loop.add_reader(arrival.socket, self._hear, arrival)
        for gone in self.door.arrive(arrival):
            self._tally.say("too many strangers", f"{gone}: dropped, too many who say no hello")

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """The system has no descriptor left, or no memory: leave the socket alone for a while."""
        reason = f"no connection can be accepted: {error.strerror or error}"
        self._tally.say("connections not accepted", reason, logging.ERROR)
        self._loop.remove_reader(listening)
        self._loop.call_later(_PAUSE_SECONDS, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _hear(self, arrival: Arrival) -> None:
        """The first byte is here, and TLS begins; or the end is."""
        with contextlib.suppress(OSError):
            if not arrival.socket.recv(1, socket.MSG_PEEK):
                arrival.drop()
                return
        self._loop.remove_reader(arrival.socket)
        arrival.is_securing = True
        self.door.step(arrival)
        task = self._loop.create_task(self._secure(arrival))
        self._securing.add(task)
        task.add_done_callback(self._securing.discard)

    async def _secure(self, arrival: Arrival) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: Caller(self, arrival),
                arrival.socket,
                ssl=self._tls,
                ssl_handshake_timeout=_SSL_SECONDS,
                ssl_shutdown_timeout=_CLOSE_SECONDS,
            )
        except Exception as error:  # whatever it was, it ends here
            arrival.socket.close()
            self.leave(arrival)
            if not isinstance(error, OSError):
                self._tally.say("TLS", f"{arrival}: no TLS: {type(error).__name__}: {error}")

    def _expire(self, arrival: Arrival) -> None:
        self._tally.say("no hello in time", f"{arrival}: dropped, no hello came in time")
        arrival.drop()

    def _end(self, arrival: Arrival) -> None:
        if arrival.transport is not None:
            arrival.transport.abort()
        elif arrival.is_securing:
            with contextlib.suppress(OSError):  # the transport that has it will see the end
                arrival.socket.shutdown(socket.SHUT_RDWR)
        else:
            self._loop.remove_reader(arrival.socket)
            arrival.socket.close()
            self.leave(arrival)

    def _forget_deadline(self, arrival: Arrival) -> None:
        if arrival.deadline is not None:
            arrival.deadline.cancel()

    # ── to the websocket ──

    async def handler(self, caller: Caller) -> None:
        """A connection's course, from TLS to its end."""
        try:
            await caller.handshake(server_header=None)  # the door has the time
            if caller.protocol.state is not State.OPEN:
                return
            self.door.step(caller.arrival)
            self._open.add(caller)
            caller.start_keepalive()
            async with caller:
                await self._serve(caller)
        except Exception as error:
            self._tally.say_mistake(str(caller.arrival), error)
        finally:
            self._open.discard(caller)
            caller.transport.abort()
            if (task := asyncio.current_task()) is not None:
                self.handler_tasks.discard(task)


async def _listen(host: str, port: int) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                made = socket.create_server(address, family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno == errno.EAFNOSUPPORT and len(found) > 1:
                    continue
                raise
            made.setblocking(False)
            sockets.append(made)
    except BaseException:
        for made in sockets:
            made.close()
        raise
    return sockets


def _quiet_logger() -> logging.Logger:
    """The library tells of every stranger's failed handshake with a traceback; here one line."""
    logger = logging.getLogger("quorate.aggregator.websocket")
    logger.setLevel(logging.CRITICAL)
    return logger
