"""Payloads for one member only: HPKE with X25519 and ML-KEM-768 together.

Base mode [RFC 9180 §5.1.1]; who sealed is known from the signed post around it. The sealing key of
a member is made fresh for each epoch from the ceremony's seed and posted when it joins, so a key
stolen later opens nothing of an earlier epoch.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from keyshare.randomness import Stream
from protocol.encoding import Message, encode
from protocol.errors import BadSeal, Malformed

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_MLKEM_BYTES, _X25519_BYTES = 1184, 32
PUBLIC_BYTES = _MLKEM_BYTES + _X25519_BYTES
# Any scalar tells a point of small order, under which a payload could not be sealed.
_PROBE = x25519.X25519PrivateKey.from_private_bytes(bytes(_X25519_BYTES))


class SealContext(Message, frozen=True):
    """Where a sealed payload belongs; it opens nowhere else."""

    federation: bytes
    session: str
    what: str
    sender: int
    recipient: int

    def info(self) -> bytes:
        """Canonical bytes bound into the seal."""
        return b"quorate/seal" + encode(self)


class SealingKey:
    """A member's private key for sealed payloads."""

    def __init__(self, seed: bytes) -> None:
        stream = Stream.derive(seed, "sealing key")
        self._mlkem = mlkem.MLKEM768PrivateKey.from_seed_bytes(stream.bytes(64))
        self._x25519 = x25519.X25519PrivateKey.from_private_bytes(stream.bytes(32))
        self._key = hpke.MLKEM768X25519PrivateKey(self._mlkem, self._x25519)
        self.public = (
            self._mlkem.public_key().public_bytes_raw()
            + self._x25519.public_key().public_bytes_raw()
        )

    def __repr__(self) -> str:
        return "SealingKey(<secret>)"

    def unseal(self, sealed: bytes, context: SealContext) -> bytes:
        """What ``seal`` was given; raises BadSeal naming the sender."""
        try:
            return _SUITE.decrypt(sealed, self._key, info=context.info())
        except (InvalidTag, ValueError):
            raise BadSeal(context.sender, context.what) from None


def seal(public: bytes, payload: bytes, context: SealContext) -> bytes:
    """The payload encrypted to a member's public sealing key; raises Malformed on a bad key."""
    return _SUITE.encrypt(payload, check_public(public), info=context.info())


def check_public(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    """The public sealing key in these bytes; raises Malformed if they are none."""
    try:
        if len(public) != PUBLIC_BYTES:
            raise ValueError("wrong length")
        lattice = mlkem.MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_BYTES])
        point = x25519.X25519PublicKey.from_public_bytes(public[_MLKEM_BYTES:])
        _PROBE.exchange(point)
    except ValueError as error:
        raise Malformed("sealing key", str(error)) from None
    return hpke.MLKEM768X25519PublicKey(lattice, point)
