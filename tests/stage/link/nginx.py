"""nginx in front of an aggregator, with an ordinary certificate of a certificate authority."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)
_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{
            proxy_pass https://127.0.0.1:{inner};
            proxy_ssl_protocols TLSv1.3;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 120s;
        }}
    }}
}}
"""


def installed() -> bool:
    """Whether there is an nginx on this machine."""
    return shutil.which("nginx") is not None


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own."""

    certificate: Path
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: Path) -> Authority:
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder("Test authority", "Test authority", key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        path = folder / "authority.pem"
        path.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
        return cls(path, key)

    def issue(self, certificate: Path, key: Path) -> None:
        """A certificate for localhost, with a new key."""
        own = ec.generate_private_key(ec.SECP256R1())
        made = _builder("localhost", "Test authority", own).add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        certificate.write_bytes(made.sign(self.key, SHA256()).public_bytes(Encoding.PEM))
        pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key.write_bytes(pem)


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


@dataclass
class Nginx:
    """Ends TLS on a port and passes on to the aggregator's."""

    folder: Path
    port: int
    inner: int
    authority: Authority

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @contextlib.contextmanager
    def running(self) -> Iterator[Nginx]:
        """Serve until the block ends."""
        self.folder.mkdir()
        self.authority.issue(self.certificate, self.folder / "key.pem")
        text = _CONFIGURATION.format(folder=self.folder, port=self.port, inner=self.inner)
        (self.folder / "nginx.conf").write_text(text)
        command = ["nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                self._wait(process)
                yield self
            finally:
                process.terminate()
                process.wait(20)

    def _wait(self, process: subprocess.Popen[str]) -> None:
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                raise AssertionError((self.folder / "error.log").read_text())
        raise AssertionError("nginx does not start")

    def renew(self) -> None:
        """A new certificate with a new key, as ACME makes them; open connections are let end."""
        self.authority.issue(self.certificate, self.folder / "key.pem")
        command = ["nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]
        subprocess.run([*command, "-s", "reload"], check=True, capture_output=True)

    def connections(self) -> int:
        """How many websockets have ended that it passed on."""
        return (self.folder / "access.log").read_text().count(" 101 ")
