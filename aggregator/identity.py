"""Who the aggregator is: an Ed25519 key, a TLS certificate, and the card that says where it is.

The key has no passphrase: a service starts unattended, and the aggregator is trusted to be there
and for nothing else. Participants do not ask an authority about the certificate; they compare its
public key with the pin in the card, so neither its names nor its dates decide anything.
"""

import contextlib
import datetime
import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aggregator.errors import AggregatorError, StoreFull
from protocol.errors import BadTerms
from protocol.programs.refusals import refusals
from protocol.programs.temporary import aside
from protocol.terms import AddressCard, fault_of_url, is_host, parse_card, render_card, sign_card
from protocol.words import shown

KEY_NAME, TLS_KEY_NAME = "identity.pem", "tls-key.pem"
CERTIFICATE_NAME, CARD_NAME = "tls-certificate.pem", "aggregator.toml"
_VALID = datetime.timedelta(days=3650)
_LIMIT = 1 << 20  # bytes of a key or certificate file


class IdentityExists(AggregatorError, says="{path} exists"):
    """A file of an identity is there already, and is never overwritten."""

    path: Path


class NoIdentity(AggregatorError):
    """A key or certificate that is missing or does not read; ``what`` it should be."""

    path: Path
    what: str
    reason: str


class BadHost(AggregatorError, says="{host!r}"):
    """A host name that no certificate or URL can have."""

    host: str


_MAX_COMMON_NAME = 64  # bytes


@dataclass(frozen=True)
class TlsFiles:
    """A certificate (chain) and its private key, in PEM."""

    certificate: Path
    key: Path


def own_tls(folder: Path) -> TlsFiles:
    """The files that ``create`` makes."""
    return TlsFiles(folder / CERTIFICATE_NAME, folder / TLS_KEY_NAME)


def create(
    folder: Path, name: str, host: str, port: int, certificate: Path | None = None
) -> AddressCard:
    """Make a key, a self-signed certificate unless one is given, and the card; durable.

    host, port: where members reach the service. ``certificate``: a PEM file whose public key is
    pinned instead. Raises BadHost, IdentityExists (before anything is written), NoIdentity for a
    certificate that does not read, and StoreFull.
    """
    url = f"wss://{_in_url(host)}:{port}"
    if fault_of_url(url):
        raise BadHost(f"{host}:{port}")
    key, tls_key = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    if certificate is None:
        made = _self_signed(tls_key, name, host)
    else:
        made = _load_certificate(certificate)
    card = sign_card(key, 1, url, _pin(made))
    files = {KEY_NAME: _pem(key)}
    if certificate is None:
        files |= {TLS_KEY_NAME: _pem(tls_key), CERTIFICATE_NAME: made.public_bytes(Encoding.PEM)}
    files[CARD_NAME] = render_card(card).encode()
    for file in (KEY_NAME, TLS_KEY_NAME, CERTIFICATE_NAME, CARD_NAME):
        if (folder / file).exists():
            raise IdentityExists(folder / file)
    for file, data in files.items():
        write_new(folder / file, data)
    return card


def load_key(folder: Path) -> Ed25519PrivateKey:
    """The signing key; raises NoIdentity."""
    path = folder / KEY_NAME
    try:
        key = load_pem_private_key(_read(path, "the aggregator's key"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        raise NoIdentity(path, "the aggregator's key", "it is not a private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NoIdentity(path, "the aggregator's key", "it is not an Ed25519 key")
    return key


def read_card(path: Path) -> AddressCard:
    """The card in a file; raises NoIdentity."""
    what = "the aggregator's card"
    try:
        return parse_card(_read(path, what).decode())
    except UnicodeDecodeError:
        raise NoIdentity(path, what, "it is not text in UTF-8") from None
    except BadTerms as error:
        raise NoIdentity(path, what, f"{error.field}: {error.reason}") from None


def certificate_pin(path: Path) -> bytes:
    """SHA-256 of the public key (SPKI, DER) of the certificate in a file; raises NoIdentity."""
    return _pin(_load_certificate(path))


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """A server's TLS 1.3 context; raises NoIdentity."""
    _read(files.certificate, "the TLS certificate")
    _read(files.key, "the TLS key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(files.certificate, files.key, password=b"")
    except (ssl.SSLError, OSError, ValueError):
        reason = f"it is encrypted, no PEM, or not the key of {files.certificate}"
        raise NoIdentity(files.key, "the TLS key", reason) from None
    return context


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str, host: str) -> x509.Certificate:
    common = shown(name or host).encode()[:_MAX_COMMON_NAME].decode(errors="ignore")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    names = dict.fromkeys([_general_name(h) for h in (host, "localhost", "127.0.0.1", "::1")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(server, critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _in_url(host: str) -> str:
    if not is_host(host):
        raise BadHost(host)
    return f"[{host}]" if ":" in host else host


def _pin(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_certificate(path: Path) -> x509.Certificate:
    data = _read(path, "the TLS certificate")
    try:
        certificate = x509.load_pem_x509_certificate(data)
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, InternalError, x509.InvalidVersion):
        raise NoIdentity(path, "the TLS certificate", "it is not a certificate in PEM") from None
    return certificate


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise NoIdentity(path, what, (error.strerror or str(error)).lower()) from None
    if len(data) > _LIMIT:
        raise NoIdentity(path, what, f"it has more than {_LIMIT} bytes")
    return data


def write_new(path: Path, data: bytes) -> None:
    """Durably create a file, 0600, whole or not at all; raises IdentityExists and StoreFull."""
    with refusals(path, StoreFull.of):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with aside(path, StoreFull.of) as file:
        file.write(data)
        file.take_free_name(IdentityExists)
