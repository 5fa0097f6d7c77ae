"""The aggregator's key, certificate and card."""

import hashlib
import os
import ssl
import stat
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from aggregator.errors import StoreFull
from aggregator.identity import (
    CARD_NAME,
    CERTIFICATE_NAME,
    KEY_NAME,
    TLS_KEY_NAME,
    BadHost,
    IdentityExists,
    NoIdentity,
    TlsFiles,
    certificate_pin,
    create,
    load_key,
    own_tls,
    read_card,
    tls_context,
)
from protocol.encoding import encode_binary
from protocol.signing import public_bytes

FILES = {KEY_NAME, TLS_KEY_NAME, CERTIFICATE_NAME, CARD_NAME}


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / CERTIFICATE_NAME).read_bytes())


def load_all(folder: Path) -> None:
    """What ``serve`` reads before it serves."""
    load_key(folder)
    certificate_pin(folder / CERTIFICATE_NAME)
    tls_context(own_tls(folder))


def test_the_card_is_what_the_terms_need(tmp_path: Path) -> None:
    made = create(tmp_path, "Toy", "aggregator.example.org", 8443)
    card = tomllib.loads((tmp_path / CARD_NAME).read_text())
    assert card == {
        "number": 1,
        "url": "wss://aggregator.example.org:8443",
        "tls": encode_binary(made.pin),
        "key": encode_binary(made.key),
        "signature": encode_binary(made.signature),
    }
    assert public_bytes(load_key(tmp_path)) == made.key
    assert read_card(tmp_path / CARD_NAME) == made


def test_the_pin_is_the_hash_of_the_certificates_public_key(tmp_path: Path) -> None:
    address = create(tmp_path, "Toy", "localhost", 8443)
    tls_key = load_pem_private_key((tmp_path / TLS_KEY_NAME).read_bytes(), None)
    spki = tls_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(spki).digest() == address.pin
    assert certificate_pin(tmp_path / CERTIFICATE_NAME) == address.pin


def test_nobody_else_reads_the_files(tmp_path: Path) -> None:
    create(tmp_path / "data", "Toy", "localhost", 8443)
    assert {path.name for path in (tmp_path / "data").iterdir()} == FILES
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    for name in FILES:
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_is_ever_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(IdentityExists) as caught:
        create(tmp_path, "Toy", "localhost", 8443)
    assert caught.value.path == tmp_path / name
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "precious")]


def test_a_failed_write_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        create(tmp_path, "Toy", "localhost", 8443)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("host", "in_url"),
    [
        ("a.example.org", "a.example.org"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "[2001:db8::7]"),
        ("localhost", "localhost"),
    ],
)
def test_the_certificate_names_the_host_and_this_machine(
    tmp_path: Path, host: str, in_url: str
) -> None:
    address = create(tmp_path, "", host, 9000)
    assert address.url == f"wss://{in_url}:9000"
    made = certificate(tmp_path)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = {str(name.value) for name in names}
    assert found == {host, "localhost", "127.0.0.1", "::1"}


def test_the_certificate_is_a_servers_own_and_no_authoritys(tmp_path: Path) -> None:
    create(tmp_path, "Toy", "localhost", 8443)
    made = certificate(tmp_path)
    extensions = made.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier == x509.SubjectKeyIdentifier.from_public_key(made.public_key())
    made.verify_directly_issued_by(made)


@pytest.mark.parametrize(
    "host", ["", "wss://a.org", "a.org:8443", "a b", "a..b", "ä.org", "x" * 64]
)
def test_a_host_that_no_url_can_have_is_refused(tmp_path: Path, host: str) -> None:
    for where, port in ((host, 8443), ("localhost", -1), ("localhost", 65_536)):
        with pytest.raises(BadHost):
            create(tmp_path / "data", "Toy", where, port)
    assert not (tmp_path / "data").exists()


def test_a_certificate_of_ones_own_is_pinned_instead(tmp_path: Path) -> None:
    own = create(tmp_path / "own", "Toy", "localhost", 8443)
    given = tmp_path / "own" / CERTIFICATE_NAME
    address = create(tmp_path / "data", "Toy", "localhost", 8443, given)
    assert address.pin == own.pin
    assert {p.name for p in (tmp_path / "data").iterdir()} == {KEY_NAME, CARD_NAME}


def test_only_tls_1_3_is_spoken(tmp_path: Path) -> None:
    create(tmp_path, "Toy", "localhost", 8443)
    assert tls_context(own_tls(tmp_path)).minimum_version == ssl.TLSVersion.TLSv1_3


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "a", "A", "localhost", 8443)
    create(tmp_path / "b", "B", "localhost", 8443)
    with pytest.raises(NoIdentity) as caught:
        tls_context(TlsFiles(own_tls(tmp_path / "a").certificate, own_tls(tmp_path / "b").key))
    assert caught.value.path == own_tls(tmp_path / "b").key


def test_an_encrypted_tls_key_is_refused_without_asking_the_terminal(tmp_path: Path) -> None:
    create(tmp_path, "Toy", "localhost", 8443)
    path = tmp_path / TLS_KEY_NAME
    key = load_pem_private_key(path.read_bytes(), None)
    encryption = BestAvailableEncryption(b"passphrase")
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with pytest.raises(NoIdentity) as caught:
        tls_context(own_tls(tmp_path))
    assert "encrypted" in caught.value.reason


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"x" * (2 << 20)])
@pytest.mark.parametrize("name", [KEY_NAME, TLS_KEY_NAME, CERTIFICATE_NAME])
def test_a_missing_or_damaged_file_is_named(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    create(tmp_path, "Toy", "localhost", 8443)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NoIdentity) as caught:
        load_all(tmp_path)
    assert caught.value.path == tmp_path / name


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    create(tmp_path, "Toy", "localhost", 8443)
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / KEY_NAME).write_bytes(pem)
    with pytest.raises(NoIdentity):
        load_key(tmp_path)


def test_no_error_shows_a_key(tmp_path: Path) -> None:
    create(tmp_path, "Toy", "localhost", 8443)
    secret = (tmp_path / KEY_NAME).read_text().splitlines()[1]
    (tmp_path / KEY_NAME).write_text(f"broken\n{secret}")
    with pytest.raises(NoIdentity) as caught:
        load_key(tmp_path)
    assert secret not in str(caught.value) + repr(vars(caught.value))
