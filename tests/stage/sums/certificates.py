"""An authority with a certificate for whoever speaks with a scheduler."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aggregator.sums import SumsTls


def issue(folder: Path) -> SumsTls:
    """A new authority, and one certificate of it."""
    folder.mkdir()
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = _named("authority")
    root = _begin(name, name, authority.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    leaf = _begin(name, _named("sums"), key.public_key())
    found = SumsTls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    for path, builder in ((found.ca, root), (found.cert, leaf)):
        made = builder.sign(authority, hashes.SHA256())
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begin(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
