"""Proxies on loopback that do as they are told: pass on, refuse, hang, say what is none of it."""

import base64
import contextlib
import datetime
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.stage.link.relay import TlsKey, make_tls_key

HOST = "aggregator.test"  # a name that proxies alone can resolve
SECRET = "geheim"  # a password, that nothing may show
Handler = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(handle: Handler, port: int = 0) -> Iterator[int]:
    """Run ``handle`` on every connection to a port of 127.0.0.1, in threads; gives the port."""
    listening = socket.create_server(("127.0.0.1", port))
    open_ones: list[socket.socket] = []

    def one(connected: socket.socket) -> None:
        # Whoever asks may leave at any time, and the test may end.
        with contextlib.suppress(OSError, IndexError, ValueError), connected:
            handle(connected)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = listening.accept()
                open_ones.append(connected)
                threading.Thread(target=one, args=(connected,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connected in open_ones:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
            connected.close()


def pump(one: socket.socket, other: socket.socket) -> None:
    """Pass on in both directions until one of them ends."""
    with contextlib.suppress(OSError), one, other:
        while True:
            if isinstance(one, ssl.SSLSocket) and one.pending():
                ready: list[socket.socket] = [one]
            else:
                ready, _, _ = select.select([one, other], [], [], 20)
            if not ready:
                return
            for here in ready:
                data = here.recv(65_536)
                if not data:
                    return
                (other if here is one else one).sendall(data)


def head_of(connected: socket.socket) -> bytes:
    """A request up to its empty line."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connected.recv(1)
        if not byte:
            return head
        head += byte
    return head


@dataclass
class Connector:
    """Passes on by CONNECT, for whoever gives the login, if there is one."""

    target: int
    login: str = ""
    heads: list[bytes] = field(default_factory=list)
    passed: list[bytes] = field(default_factory=list)  # the first byte of each connection

    def __call__(self, connected: socket.socket) -> None:
        head = head_of(connected)
        self.heads.append(head)
        wanted = b"Basic " + base64.b64encode(self.login.encode())
        if self.login and wanted not in head:
            connected.sendall(answer("407 Proxy Authentication Required"))
            return
        far = socket.create_connection(("127.0.0.1", self.target))
        connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self.passed.append(connected.recv(1))
        far.sendall(self.passed[-1])
        pump(connected, far)


@dataclass
class Socks:
    """Passes on by SOCKS 5, or 4 and 4a, for whoever gives the login, if there is one."""

    target: int
    login: tuple[bytes, bytes] = (b"", b"")
    asked: list[bytes] = field(default_factory=list)
    code: int = 0

    def __call__(self, connected: socket.socket) -> None:
        far = self._greet(connected)
        if far is not None:
            pump(connected, far)

    def _greet(self, connected: socket.socket) -> socket.socket | None:
        if connected.recv(1) == b"\4":
            return self._fourth(connected)
        methods = connected.recv(connected.recv(1)[0])
        if self.login[0] and 2 not in methods:
            connected.sendall(b"\5\xff")
            return None
        connected.sendall(bytes([5, 2 if self.login[0] else 0]))
        if self.login[0]:
            connected.recv(1)
            given = tuple(connected.recv(connected.recv(1)[0]) for _ in range(2))
            connected.sendall(bytes([1, given != self.login]))
            if given != self.login:
                return None
        kind = connected.recv(4)[3]
        length = connected.recv(1)[0] if kind == 3 else {1: 4, 4: 16}[kind]
        self.asked.append(connected.recv(length) + connected.recv(2))
        connected.sendall(bytes([5, self.code, 0, 1]) + bytes(6))
        return None if self.code else socket.create_connection(("127.0.0.1", self.target))

    def _fourth(self, connected: socket.socket) -> socket.socket:
        self.asked.append(connected.recv(7 + 512))
        connected.sendall(b"\0\x5a" + bytes(6))
        return socket.create_connection(("127.0.0.1", self.target))


def answer(status: str, body: str = "") -> bytes:
    """An HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def saying(data: bytes) -> Handler:
    """Says the same to everybody, and hangs up."""

    def handle(connected: socket.socket) -> None:
        connected.recv(4_096)
        connected.sendall(data)
        connected.shutdown(socket.SHUT_WR)
        while connected.recv(4_096):
            pass

    return handle


def hang(connected: socket.socket) -> None:
    """Take everything and say nothing."""
    while connected.recv(4_096):
        pass


def leave(connected: socket.socket) -> None:
    """Hang up at once."""


def certificate_of(
    key: ec.EllipticCurvePrivateKey, since: datetime.datetime, until: datetime.datetime
) -> bytes:
    """A certificate for localhost, signed by itself, in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(since).not_valid_after(until)
    signed = builder.add_extension(names, critical=False).sign(key, SHA256())
    return signed.public_bytes(Encoding.PEM)


def trusted_key(folder: Path) -> TlsKey:
    """A certificate that says of itself what a proxy's authority would: it is for localhost."""
    made, key = make_tls_key(folder), ec.generate_private_key(ec.SECP256R1())
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made.certificate.write_bytes(certificate_of(key, now - day, now + day))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made.key.write_bytes(pem)
    return made


def over_tls(certificate: Path, key: Path, handle: Handler) -> Handler:
    """The same, with a TLS server in front."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def secured(connected: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connected, server_side=True) as tls:
            handle(tls)

    return secured


def holds_no(secret: str, error: BaseException | None) -> bool:
    """Whether a text is nowhere in an error, what it was raised from, and all their fields."""
    seen: list[BaseException] = []
    while error is not None:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return not any(secret in f"{e!s}{e!r}{e.args!r}{vars(e)!r}" for e in seen)
