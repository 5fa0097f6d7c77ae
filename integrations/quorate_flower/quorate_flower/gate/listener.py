# SPDX-License-Identifier: Apache-2.0
"""HTTP on the hospital's side: a narrow door, with h11 as its reader.

A request has a known path, a limited size and little time. It is read whole before it is looked
at, and nothing of its head goes any further.
"""

import asyncio
import json
import logging
import struct

import h11

from quorate_flower.gate.errors import CannotStart
from quorate_flower.gate.gate import Denied, Gate
from quorate_flower.gate.superlink import PROTOBUF

LOGGER = logging.getLogger("quorate.gate")
PREFIX = "/v1/fleet/"
MOST_CONNECTIONS = 16
MOST_HEAD_BYTES = 8 << 10
PIECE = 64 << 10
IDLE = 75.0  # seconds that a connection may be silent between two requests
SLOW = 30.0  # seconds that a request may take to arrive, or an answer to leave
MOST_THROWN_BYTES = 32 << 20  # of a body that is too large, so that the answer is read
JSON = "application/json"
_HTTP2, _TLS = b"PRI * HTTP/2", b"\x16\x03"
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # of HTTP/2, empty
_NO_GRPC = "quorate's gate speaks HTTP alone, as SuperNodes do from Flower 1.40 on"


class Listener:
    """Answers a SuperNode by what ``gate`` says."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Begin to listen; raises CannotStart."""
        try:
            return await asyncio.start_server(self._connected, host, port, limit=PIECE)
        except OSError as error:
            raise CannotStart(
                f"the gate cannot listen on {host}:{port} ({error.strerror or error}): choose "
                "another port or address with --listen"
            ) from None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            await Conversation(self._gate, reader, writer).hold()
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the other side has gone, is too slow, or speaks no HTTP
        except asyncio.CancelledError:
            pass  # the gate ends; Python 3.11 would print this of a connection
        finally:
            await _close(writer)
            self._connections.discard(task)


async def _close(writer: asyncio.StreamWriter) -> None:
    """End a connection; what the other side does not read is not kept for it."""
    writer.close()
    try:
        async with asyncio.timeout(SLOW):
            await writer.wait_closed()
    except (OSError, asyncio.CancelledError):  # a TimeoutError is an OSError
        writer.transport.abort()


class Conversation:
    """One connection of a SuperNode."""

    def __init__(
        self, gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._gate, self._reader, self._writer = gate, reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD_BYTES)

    async def hold(self) -> None:
        """Answer one request after the other, until one side ends it."""
        async with asyncio.timeout(IDLE):
            first = await self._reader.read(PIECE)
        if first.startswith((_HTTP2, _TLS)):
            return await self._explain(first)
        self._http.receive_data(first)
        while await self._one():
            self._http.start_next_cycle()

    async def _one(self) -> bool:
        """Answer one request; returns whether the connection can go on."""
        async with asyncio.timeout(IDLE):
            head = await self._event()
        if not isinstance(head, h11.Request):
            return False
        try:
            name = self._name(head)
            body = await self._body(name)
            status, kind, answer = 200, PROTOBUF, await self._gate.answer(name, body)
        except Denied as denied:
            status, kind = denied.status, JSON
            answer = json.dumps({"code": 0, "detail": denied.text}).encode()
        except (OSError, TimeoutError, h11.ProtocolError):
            raise
        except Exception as error:  # its text may have something of the reply
            LOGGER.error("the gate fails at a request: %s", type(error).__name__)
            status, kind, answer = 500, JSON, b'{"code": 0, "detail": "the gate has failed"}'
        return await self._send(status, kind, answer)

    def _name(self, head: h11.Request) -> str:
        """The name of the request; raises Denied for what no SuperNode asks."""
        path, fields = head.target.decode("ascii", errors="replace"), dict(head.headers)
        name = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX) or name not in self._gate.requests:
            raise Denied(404, "the gate lets through the requests of a SuperNode, and no other")
        if head.method != b"POST":
            raise Denied(405, "a SuperNode's requests are POST")
        if fields.get(b"content-type") != PROTOBUF.encode() or b"content-encoding" in fields:
            raise Denied(415, f"a SuperNode's requests are {PROTOBUF}, and not compressed")
        if b"expect" in fields or b"transfer-encoding" in fields:
            raise Denied(411, "a SuperNode's requests have a content-length")
        return name

    async def _body(self, name: str) -> bytes:
        """The body; raises Denied, after as much of it was thrown away as a SuperNode may send."""
        most, body, thrown = self._gate.requests[name].most_bytes, bytearray(), 0
        async with asyncio.timeout(SLOW):
            while isinstance(event := await self._event(), h11.Data):
                thrown += len(event.data)
                if thrown <= most:
                    body += event.data
                elif thrown > MOST_THROWN_BYTES:
                    break
        if thrown > most:
            self._gate.too_large(name)
            raise Denied(413, f"{name} may have no more than {most} bytes")
        return bytes(body)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(PIECE))
        return event

    async def _send(self, status: int, kind: str, answer: bytes) -> bool:
        is_over = self._http.their_state is not h11.DONE
        fields = [("content-type", kind), ("content-length", str(len(answer)))]
        if is_over:
            fields.append(("connection", "close"))
        for event in (
            h11.Response(status_code=status, headers=fields),
            h11.Data(data=answer),
            h11.EndOfMessage(),
        ):
            self._writer.write(self._http.send(event) or b"")
        async with asyncio.timeout(SLOW):
            await self._writer.drain()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _explain(self, first: bytes) -> None:
        """Say in the log, and to gRPC in its own form, why nobody is served here."""
        if first.startswith(_TLS):
            LOGGER.warning("a SuperNode speaks TLS to the gate: start it with --insecure")
            return
        LOGGER.warning("a SuperNode speaks gRPC to the gate: %s", _NO_GRPC)
        self._writer.write(_SETTINGS + _goaway(_NO_GRPC.encode()))
        async with asyncio.timeout(SLOW):
            await self._writer.drain()


def _goaway(text: bytes) -> bytes:
    """A frame of HTTP/2 that ends the connection with a text; HTTP_1_1_REQUIRED [RFC 9113, 6.8]."""
    payload = struct.pack(">II", 0, 0xD) + text
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", 7, 0, 0) + payload
