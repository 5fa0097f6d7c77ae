"""Ed25519 signatures, each over a domain and a digest."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.encoding import digest
from protocol.errors import BadSignature


def sign(key: Ed25519PrivateKey, domain: str, *parts: bytes) -> bytes:
    """Signature (64 bytes) over ``digest(domain, *parts)``; deterministic [RFC 8032]."""
    return key.sign(digest(domain, *parts))


def verify(public_key: bytes, signature: bytes, sender: int, domain: str, *parts: bytes) -> None:
    """Raises BadSignature naming ``sender`` unless the signature fits."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, digest(domain, *parts))
    except (InvalidSignature, ValueError):
        raise BadSignature(sender, domain) from None


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public key."""
    return key.public_key().public_bytes_raw()
