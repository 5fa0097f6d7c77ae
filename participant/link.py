"""One connection to the aggregator: TLS with a pinned key, then the answer to its challenge.

The certificate is judged by its public key alone: the SHA-256 of the SubjectPublicKeyInfo (DER)
must be the pin in the terms. This is compared before anything is sent inside TLS.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import CTRL_OPCODES, Frame
from websockets.http11 import Request, Response

from participant.errors import (
    ForeignAggregator,
    RejectedByAggregator,
    Unreachable,
    WrongCertificate,
)
from protocol.allowance import Allowance
from protocol.encoding import encode
from protocol.errors import BadTerms, Malformed
from protocol.foreign import shown
from protocol.terms import Terms
from protocol.wire import (
    MAX_FRAME_BYTES,
    Challenge,
    FromAggregator,
    FromMember,
    Rejected,
    Welcome,
    decode_from_aggregator,
    hello,
)

OPEN_SECONDS = 10.0
_MAX_QUEUE = 8  # frames
_TOO_BIG = 1009  # websocket close code, RFC 6455 §7.4.1


@dataclass(frozen=True)
class Caller:
    """Who connects: a member, and this very process."""

    member: int
    key: Ed25519PrivateKey
    instance: bytes  # 16 random bytes a process
    purpose: Literal["member", "status"] = "member"

    def __repr__(self) -> str:
        return f"Caller(member={self.member}, key=<secret>)"


@dataclass
class Traffic:
    """Bytes of all frames, in both directions, over all connections of a process."""

    up: int = 0
    down: int = 0


class Link:
    """An open connection on which the aggregator has said Welcome."""

    def __init__(
        self, url: str, connection: ClientConnection, welcome: Welcome, traffic: Traffic
    ) -> None:
        self.url, self.welcome = url, welcome
        self._connection, self._traffic = connection, traffic

    async def send(self, frame: FromMember) -> None:
        """Send a frame; raises Unreachable if the connection is lost."""
        await _send(self.url, self._connection, frame, self._traffic)

    async def receive(self) -> FromAggregator:
        """The next frame; raises Unreachable or Malformed."""
        return decode_from_aggregator(await self.receive_bytes())

    async def receive_bytes(self) -> bytes:
        """The next frame as it came; raises Unreachable or Malformed."""
        return await _receive(self.url, self._connection, self._traffic)


@asynccontextmanager
async def open_link(terms: Terms, caller: Caller, traffic: Traffic) -> AsyncIterator[Link]:
    """Connect and be welcomed.

    Raises Unreachable where another try may help, and WrongCertificate, ForeignAggregator,
    RejectedByAggregator, Malformed or BadTerms where it will not.
    """
    url = terms.aggregator.url
    connection = await _connect(terms)
    try:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                welcome = await _introduce(terms, caller, connection, traffic)
        except TimeoutError:
            raise Unreachable(url, f"no welcome within {OPEN_SECONDS:.0f} s") from None
        yield Link(url, connection, welcome, traffic)
    finally:
        await connection.close()


async def _connect(terms: Terms) -> ClientConnection:
    url, pin = terms.aggregator.url, terms.aggregator.certificate_pin
    allowance = Allowance()

    class PinnedConnection(ClientConnection):
        async def handshake(self, *args: Any, **kwargs: Any) -> None:
            found = _spki_digest(self.transport.get_extra_info("ssl_object"))
            if not hmac.compare_digest(found, pin):
                raise WrongCertificate(url, pin, found)
            await super().handshake(*args, **kwargs)

        has_flooded = False

        def process_event(self, event: Request | Response | Frame) -> None:
            if isinstance(event, Frame) and not self._is_modest(event):
                self.has_flooded = True
                self.transport.abort()
            if not self.has_flooded:
                super().process_event(event)

        def _is_modest(self, frame: Frame) -> bool:
            if frame.opcode in CTRL_OPCODES:
                return allowance.take(self.loop.time())
            return frame.fin  # the aggregator never divides a message

    try:
        return await connect(
            url,
            ssl=_tls(),
            create_connection=PinnedConnection,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            max_queue=_MAX_QUEUE,
            open_timeout=OPEN_SECONDS,
            close_timeout=2,
            proxy=None if _is_loopback(url) else True,
        )
    except (InvalidURI, ValueError) as error:
        raise BadTerms("aggregator.url", shown(str(error))) from None
    except TimeoutError:
        raise Unreachable(url, f"no answer within {OPEN_SECONDS:.0f} s") from None
    except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:
        raise Unreachable(url, _reason(error)) from None


def _tls() -> ssl.SSLContext:
    """TLS 1.3 without a certificate authority: the pin takes its place."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _spki_digest(connection: ssl.SSLObject) -> bytes:
    """SHA-256 of the server's public key; empty if there is none that reads."""
    certificate = connection.getpeercert(binary_form=True)
    try:
        key = x509.load_der_x509_certificate(certificate or b"").public_key()
    except (ValueError, UnsupportedAlgorithm, InternalError, x509.InvalidVersion):
        return b""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


async def _introduce(
    terms: Terms, caller: Caller, connection: ClientConnection, traffic: Traffic
) -> Welcome:
    url = terms.aggregator.url
    challenge = decode_from_aggregator(await _receive(url, connection, traffic))
    _raise_if_rejected(url, challenge)
    if not isinstance(challenge, Challenge):
        raise Malformed("frame", "the aggregator did not begin with a challenge")
    if challenge.federation != terms.federation:
        raise ForeignAggregator(url, challenge.federation)
    answer = hello(challenge, caller.member, caller.instance, caller.purpose, caller.key)
    await _send(url, connection, answer, traffic)
    welcome = decode_from_aggregator(await _receive(url, connection, traffic))
    _raise_if_rejected(url, welcome)
    if not isinstance(welcome, Welcome):
        raise Malformed("frame", "the aggregator did not answer with a welcome")
    return welcome


def _raise_if_rejected(url: str, frame: FromAggregator) -> None:
    if not isinstance(frame, Rejected):
        return
    if frame.code == "busy":
        raise Unreachable(url, f"it is busy: {shown(frame.reason)}")
    raise RejectedByAggregator(frame.code, shown(frame.reason))


async def _send(
    url: str, connection: ClientConnection, frame: FromMember, traffic: Traffic
) -> None:
    data = encode(frame)
    try:
        await connection.send(data)
    except ConnectionClosed as error:
        raise Unreachable(url, _reason(error)) from None
    traffic.up += len(data)


async def _receive(url: str, connection: ClientConnection, traffic: Traffic) -> bytes:
    try:
        data = await connection.recv()
    except ConnectionClosed as error:
        if error.sent is not None and error.sent.code == _TOO_BIG:
            raise Malformed("frame", f"it has more than {MAX_FRAME_BYTES} bytes") from None
        raise Unreachable(url, _reason(error)) from None
    if isinstance(data, str):
        raise Malformed("frame", "it is text, not bytes")
    traffic.down += len(data)
    return data


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    """Why there is no link; a library's message may quote what the other side sent."""
    if isinstance(error, ConnectionClosed):
        return "the connection was closed"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {shown(error.reason or str(error))}"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    if isinstance(error, OSError):
        return shown(error.strerror or str(error) or type(error).__name__)
    return shown(str(error) or type(error).__name__)
