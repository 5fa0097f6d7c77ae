"""Who a hospital is: a name and an Ed25519 key, sealed at rest; and the card it shows others."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from participant.disk import exists, make_folder, only_read_if_refused, read, write_new
from participant.errors import BadCard, BadName, DamagedFile, FileExists
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import DEFAULT_COST, Argon2Cost, SealedFor, seal, unseal
from participant.words.fingerprint import fingerprint
from protocol.encoding import Message, decode, digest, encode, encode_binary
from protocol.errors import Malformed
from protocol.signing import public_bytes
from protocol.terms import NotToml, fault_of_name, normal, read_toml
from protocol.words import decoded, shown

IDENTITY_NAME = "identity.sealed"
CARD_NAME = "card.toml"
_PURPOSE = SealedFor(kind="identity")
_KEY_BYTES = 32
_LIMIT = 4096  # bytes of a card, and of an identity's payload


@dataclass(frozen=True)
class Card:
    """The public side of an identity: what goes into the terms."""

    name: str
    key: bytes  # Ed25519 public key, 32 bytes

    @property
    def fingerprint(self) -> str:
        """Twelve words that stand for name and key together."""
        return fingerprint(digest("quorate/card", self.name.encode(), self.key))


@dataclass(frozen=True)
class Identity:
    """A member's name and signing key."""

    name: str
    signing_key: Ed25519PrivateKey

    @property
    def card(self) -> Card:
        """The public side."""
        return Card(self.name, public_bytes(self.signing_key))

    def derived(self, purpose: str) -> bytes:
        """32 secret bytes for one purpose, the same for as long as the hospital has its key.

        HKDF-SHA-256 of the signing key. It shows nothing of that, nor of what is for another
        purpose. Another identity has another one, also under the same name.
        """
        info = encode(("quorate/derived from an identity", purpose))
        return HKDF(SHA256(), 32, None, info).derive(self.signing_key.private_bytes_raw())

    def __repr__(self) -> str:
        return f"Identity(name={self.name!r}, signing_key=<secret>)"


class _SealedIdentity(Message, frozen=True):
    name: str
    signing_key: bytes

    def __repr__(self) -> str:
        return f"_SealedIdentity(name={self.name!r}, signing_key=<secret>)"


def create(
    folder: Path, name: str, passphrase: Passphrase, cost: Argon2Cost = DEFAULT_COST
) -> Identity:
    """Make an identity and durably store it in ``folder`` with its card.

    Raises BadName, and FileExists if the folder has an identity or a card: neither is ever
    overwritten.
    """
    name = normal(name)
    if reason := fault_of_name(name):
        raise BadName(name, reason)
    make_folder(folder)
    for path in (folder / IDENTITY_NAME, folder / CARD_NAME):
        if exists(path):
            raise FileExists(path)
    identity = Identity(name, Ed25519PrivateKey.generate())
    keep(folder, identity, passphrase, cost)
    write_card(folder / CARD_NAME, identity.card)
    return identity


def keep(
    folder: Path, identity: Identity, passphrase: Passphrase, cost: Argon2Cost = DEFAULT_COST
) -> None:
    """Durably store an identity that exists already, without its card; raises FileExists."""
    payload = encode(_SealedIdentity(identity.name, identity.signing_key.private_bytes_raw()))
    seal(folder / IDENTITY_NAME, _PURPOSE, payload, passphrase, cost)


def load(folder: Path, passphrase: Passphrase) -> Identity:
    """The identity stored in ``folder``; writes its card again if that is missing.

    Raises what ``sealed_file.unseal`` raises, BadCard, and BadCard if the card beside it is
    another's.
    """
    path = folder / IDENTITY_NAME
    payload = unseal(path, _PURPOSE, passphrase, "identity")
    try:
        sealed = decode(payload, _SealedIdentity, "identity", _LIMIT)
        signing_key = Ed25519PrivateKey.from_private_bytes(sealed.signing_key)
    except (Malformed, ValueError):
        raise DamagedFile(path, "does not hold an identity") from None
    identity = Identity(sealed.name, signing_key)
    if not exists(folder / CARD_NAME):
        with only_read_if_refused():
            write_card(folder / CARD_NAME, identity.card)
    elif read_card(folder / CARD_NAME) != identity.card:
        raise BadCard(folder / CARD_NAME, "", "of another identity than the one beside it")
    return identity


def write_card(path: Path, card: Card) -> None:
    """Durably create a card file; raises FileExists."""
    document = {"name": card.name, "key": encode_binary(card.key), "fingerprint": card.fingerprint}
    write_new(path, tomli_w.dumps(document).encode())


def read_card(path: Path) -> Card:
    """The card in a file: exactly ``name``, ``key`` (base64url, no padding) and ``fingerprint``.

    Raises BadCard on anything else, and MissingFile, TooLarge or DiskError.
    """
    document = _read_fields(path, ("name", "key", "fingerprint"))
    name = normal(document["name"])
    if reason := fault_of_name(name):
        raise BadCard(path, "name", reason)
    card = Card(name, binary_field(path, document, "key"))
    if document["fingerprint"] != card.fingerprint:
        raise BadCard(path, "fingerprint", "does not belong to this name and key")
    return card


def _read_fields(path: Path, needed: Sequence[str]) -> dict[str, str]:
    """The document in a card, with a text in each of these fields and no other field.

    Raises BadCard on anything else, and MissingFile, TooLarge or DiskError.
    """
    try:
        document = read_toml(decoded(read(path, _LIMIT, "card")))
    except (NotToml, UnicodeDecodeError):
        raise BadCard(path, "file", "not TOML") from None
    for field in needed:
        if not isinstance(document.get(field), str):
            raise BadCard(path, field, "missing or not a text")
    if unknown := sorted(document.keys() - set(needed)):
        raise BadCard(path, shown(unknown[0]), "unknown field")
    return document


def binary_field(path: Path, document: Mapping[str, str], field: str) -> bytes:
    """The 32 bytes in a card's field (base64url, no padding); raises BadCard."""
    try:
        data = base64.b64decode(document[field] + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    # Other spellings of the same bytes (unused low bits) are refused.
    if len(data) != _KEY_BYTES or encode_binary(data) != document[field]:
        raise BadCard(path, field, f"not {_KEY_BYTES} bytes in base64url")
    return data
