"""One connection to the aggregator: TLS as its card says, then both show who they are.

Where the card pins a key, the certificate is judged by that alone: the SHA-256 of its
SubjectPublicKeyInfo (DER) must be the pin, which is compared before anything is sent inside TLS.
Else the system's certificate authorities vouch for the host. Whatever TLS is worth on the way, the
frames inside are sealed for the aggregator of the terms (``protocol.wire.handshake``).
"""

import asyncio
import hashlib
import hmac
import os
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CTRL_OPCODES, Frame
from websockets.http11 import Request, Response

from participant.errors import (
    ForeignAggregator,
    RejectedByAggregator,
    Unreachable,
    WrongCertificate,
)
from participant.network.link_trouble import NotAWebsocket, Way, broken, closed, stranger, trouble
from participant.network.proxy import find_proxy, why_unused
from protocol.encoding import encode
from protocol.errors import BadSignature, BadTerms, BrokenChannel, Malformed
from protocol.terms import PUBLIC, AddressCard, Terms
from protocol.wire import (
    MAX_SEALED_BYTES,
    Allowance,
    FromAggregator,
    FromMember,
    MemberHandshake,
    Rejected,
    SealedChannel,
    Welcome,
    decode_confirmation,
    decode_from_aggregator,
)
from protocol.words import shown

OPEN_SECONDS = 10.0
_NEXT_ADDRESS_SECONDS = 0.25  # before another of a host's addresses is tried too, RFC 8305 §8
_PONG_SECONDS = 40.0  # what is sent before a ping may need as long on a slow line
_MAX_QUEUE = 8  # frames
_NAME = 80  # characters of a name in a certificate
_UNREADABLE = ValueError, UnsupportedAlgorithm, InternalError, x509.InvalidVersion
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
    """Bytes of all frames and of blobs beside the link, in both directions, of a process."""

    up: int = 0
    down: int = 0


class Link:
    """An open connection, on which the aggregator has said ``welcome``."""

    welcome: Welcome
    _channel: SealedChannel

    def __init__(self, url: str, connection: ClientConnection, traffic: Traffic) -> None:
        self.url, self._connection, self._traffic = url, connection, traffic

    async def introduce(self, handshake: MemberHandshake) -> None:
        """Show who this is, and be welcomed; raises what ``open_link`` raises."""
        try:
            hello, self._channel = handshake.answer(await self._receive_raw())
        except (BadSignature, Malformed):
            raise Unreachable(self.url, *stranger()) from None
        await self._send_raw(encode(hello))
        confirmation = decode_confirmation(await self.receive_bytes())
        if isinstance(confirmation, Rejected):
            self._raise_rejected(confirmation)
        else:
            handshake.check(confirmation)
        welcome = await self.receive()
        if not isinstance(welcome, Welcome):
            raise Malformed("frame", "the aggregator did not answer with a welcome")
        self.welcome = welcome

    def _raise_rejected(self, frame: Rejected) -> None:
        if frame.code == "busy":
            raise Unreachable(self.url, f"it is busy: {shown(frame.reason)}")
        if frame.code == "other-federation":
            raise ForeignAggregator(self.url)
        raise RejectedByAggregator(frame.code, shown(frame.reason))

    async def send(self, frame: FromMember) -> None:
        """Send a frame; raises Unreachable if the connection is lost."""
        try:
            sealed = self._channel.seal(encode(frame))
        except BrokenChannel:
            raise Unreachable(self.url, *broken()) from None
        await self._send_raw(sealed)

    async def _send_raw(self, data: bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise Unreachable(self.url, *closed(error)) from None
        self._traffic.up += len(data)

    async def receive(self) -> FromAggregator:
        """The next frame; raises Unreachable or Malformed."""
        return decode_from_aggregator(await self.receive_bytes())

    async def receive_bytes(self) -> bytes:
        """The next frame, opened and not yet read; raises Unreachable or Malformed."""
        data = await self._receive_raw()
        try:
            return self._channel.open(data)
        except BrokenChannel:
            raise Unreachable(self.url, *broken()) from None

    async def _receive_raw(self) -> bytes:
        try:
            data = await self._connection.recv()
        except ConnectionClosed as error:
            if error.sent is not None and error.sent.code == _TOO_BIG:
                raise Malformed("frame", f"it has more than {MAX_SEALED_BYTES} bytes") from None
            raise Unreachable(self.url, *closed(error)) from None
        if isinstance(data, str):
            raise Malformed("frame", "it is text, not bytes")
        self._traffic.down += len(data)
        return data


@asynccontextmanager
async def open_link(
    terms: Terms, card: AddressCard, caller: Caller, traffic: Traffic
) -> AsyncIterator[Link]:
    """Connect and be welcomed.

    Raises Unreachable where another try may help, and BadProxy, ProxyRefuses, WrongCertificate,
    ForeignAggregator, RejectedByAggregator, Malformed or BadTerms where it will not.
    """
    url = card.url
    connection = await _connect(card)
    link = Link(url, connection, traffic)
    try:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await link.introduce(
                    MemberHandshake(
                        terms, card, caller.member, caller.instance, caller.purpose, caller.key
                    )
                )
        except TimeoutError:
            raise Unreachable(url, f"no welcome within {OPEN_SECONDS:.0f} s") from None
        yield link
    finally:
        await connection.close()


async def _connect(card: AddressCard) -> ClientConnection:
    url = card.url
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 443
    proxy = find_proxy(host, port, os.environ)
    way = Way(url, proxy, why_unused(host, os.environ))
    loop = asyncio.get_running_loop()
    if proxy and loop.get_exception_handler() is None:
        loop.set_exception_handler(_hush)
    try:
        return await _dial(card, way)
    except (OSError, EOFError, ImportError, WebSocketException) as error:
        if isinstance(error, InvalidURI):
            raise BadTerms("address.url", shown(str(error))) from None
        found = trouble(error, way)
    except ValueError as error:
        said = "it cannot be dialled" if proxy else shown(str(error))
        raise BadTerms("address.url", said) from None
    raise found  # outside, so that the library's error does not hang on it


def _hush(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Print no traceback for a proxy that hung up: the library trips over what it has told."""
    if not isinstance(context.get("exception"), EOFError):
        loop.default_exception_handler(context)


async def _dial(card: AddressCard, way: Way) -> ClientConnection:
    return await connect(
        card.url,
        ssl=_tls(card),
        create_connection=partial(PinnedConnection, way, card.pin),  # type: ignore[arg-type]
        compression=None,
        max_size=MAX_SEALED_BYTES,
        max_queue=_MAX_QUEUE,
        open_timeout=OPEN_SECONDS,
        close_timeout=2,
        ping_timeout=_PONG_SECONDS,
        happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
        proxy=way.proxy.address() if way.proxy else None,
    )


class PinnedConnection(ClientConnection):
    """A websocket to what holds the pinned key; it hangs up on who floods it.

    way: how far the attempt went is noted there, also where it fails.
    """

    def __init__(self, way: Way, pin: bytes, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        way.has_line = True
        self._way, self._pin = way, pin
        self._allowance, self._has_flooded = Allowance(), False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is there."""
        self._way.has_tls = True
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The library has nothing to end before TLS, and would trip over that."""
        if self._way.has_tls:
            super().connection_lost(exc)

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Raises WrongCertificate before a byte is sent, and NotAWebsocket."""
        if self._pin != PUBLIC:  # else TLS has asked the authorities
            _check_pin(self.transport.get_extra_info("ssl_object"), self._way, self._pin)
        try:
            await super().handshake(*args, **kwargs)
        except InvalidStatus as error:
            answer = error
        else:
            return
        # Not that error itself: the library would follow a redirection, to wherever it leads.
        raise NotAWebsocket(answer.response.status_code)

    def process_event(self, event: Request | Response | Frame) -> None:
        """Take what came, as long as it is modest."""
        if isinstance(event, Frame) and not self._is_modest(event):
            self._has_flooded = True
            self.transport.abort()
        if not self._has_flooded:
            super().process_event(event)

    def _is_modest(self, frame: Frame) -> bool:
        if frame.opcode in CTRL_OPCODES:
            return self._allowance.take(self.loop.time())
        return frame.fin  # the aggregator never divides a message


def _tls(card: AddressCard) -> ssl.SSLContext:
    """TLS as the card says: by the system's authorities, or by the pin in their place, and 1.3."""
    if card.is_public:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _check_pin(connection: ssl.SSLObject, way: Way, pin: bytes) -> None:
    """Raises WrongCertificate unless the server's public key is the pinned one."""
    certificate = connection.getpeercert(binary_form=True) or b""
    found = _spki_digest(certificate)
    if not hmac.compare_digest(found, pin):
        raise WrongCertificate(way.url, pin, found, _whose(certificate) + way.through)


def _spki_digest(certificate: bytes) -> bytes:
    """SHA-256 of a certificate's public key; empty if there is none that reads."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except _UNREADABLE:
        return b""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _whose(certificate: bytes) -> str:
    """Whom a certificate names, in its own words; empty if it does not read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the library thinks of odd names, people need not
            found = x509.load_der_x509_certificate(certificate)
            names = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
    except (*_UNREADABLE, TypeError):
        return ""
    subject, issuer = (shown(name, _NAME) for name in names)
    return f", issued to {subject} by {issuer}"
