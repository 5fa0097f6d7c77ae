"""A secret at rest: Argon2id makes a root key of the passphrase, AES-256-GCM seals under it.

    "quorate sealed file\\n" | version (1 byte) | header length (2) | header | ciphertext and tag

The header says in clear what the file is for and how hard its key is to derive. All that precedes
the ciphertext is its associated data. Each file has a key of its own, by HKDF of the root key and a
fresh salt, and opens without any other file, so a copy of it is a whole backup.
A process derives a root key once, and seals under the one that has opened a file before: that one
is known to be right, and one derivation by Argon2id costs 0.1 s. Files that share a root key are
those of one passphrase, and who finds the passphrase opens them all in any case.
Argon2id [RFC 9106, whose second recommended option is the default cost here]; HKDF [RFC 5869];
AES-GCM [NIST SP 800-38D].
"""

import secrets
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta

from participant.disk import read, write_new
from participant.errors import (
    DamagedFile,
    ForeignSeal,
    NewerFormat,
    TooLarge,
    TooLittleMemory,
    WrongPassphrase,
)
from participant.home.passphrase import Passphrase
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.programs.file_kind import SEALED_MAGIC

VERSION = 1
# A file that is not what it was: any of these, according to which of its bytes have changed.
DAMAGES = (WrongPassphrase, DamagedFile, ForeignSeal, NewerFormat, TooLarge)
PAYLOAD_LIMIT = 1 << 24  # bytes
_MAGIC = SEALED_MAGIC
_LENGTH_AT = len(_MAGIC) + 1
_HEADER_AT = _LENGTH_AT + 2
_HEADER_LIMIT = 1024
_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES, _KEY_BYTES = 16, 12, 16, 32
_FILE_LIMIT = _HEADER_AT + _HEADER_LIMIT + PAYLOAD_LIMIT + _TAG_BYTES

_Number = Annotated[int, Meta(ge=0, lt=1 << 32)]
_Word = Annotated[str, Meta(max_length=128)]


class Argon2Cost(Message, frozen=True):
    """How hard a key is to derive; bounded, so that no file can ask for more than 512 MiB."""

    memory_kib: Annotated[int, Meta(ge=64, le=512 * 1024)] = 64 * 1024
    iterations: Annotated[int, Meta(ge=1, le=16)] = 3
    lanes: Annotated[int, Meta(ge=1, le=8)] = 4


class SealedFor(Message, frozen=True):
    """What a sealed file is for; 0 or empty where it is for none in particular."""

    kind: _Word
    federation: _Word = ""  # digest of the terms, hexadecimal
    epoch: _Number = 0
    member: _Number = 0
    session: _Word = ""


_Salt = Annotated[bytes, Meta(min_length=_SALT_BYTES, max_length=_SALT_BYTES)]


class _Header(Message, frozen=True):
    purpose: SealedFor
    cost: Argon2Cost
    root_salt: _Salt  # of Argon2id
    salt: _Salt  # of HKDF, this file's alone
    nonce: Annotated[bytes, Meta(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]


DEFAULT_COST = Argon2Cost()


def seal(
    path: Path,
    purpose: SealedFor,
    payload: bytes,
    passphrase: Passphrase,
    cost: Argon2Cost = DEFAULT_COST,
) -> None:
    """Durably create a sealed file that holds at most ``PAYLOAD_LIMIT`` bytes.

    Raises FileExists (nothing is ever overwritten), DiskError, TooLittleMemory, and ValueError on
    a payload, a purpose or a cost that could not be read back.
    """
    if len(payload) > PAYLOAD_LIMIT:
        raise ValueError(f"{len(payload)} bytes to seal, at most {PAYLOAD_LIMIT} allowed")
    root_salt = passphrase.salt_for(cost) or secrets.token_bytes(_SALT_BYTES)
    fresh = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    header = _Header(purpose, cost, root_salt, *fresh)
    encoded = encode(header)
    try:
        decode(encoded, _Header, "header", _HEADER_LIMIT)  # constructors do not check ranges
    except Malformed as error:
        raise ValueError(error.reason) from None
    prefix = _MAGIC + bytes([VERSION]) + len(encoded).to_bytes(2, "big") + encoded
    root = _root_key(path, header, passphrase)
    write_new(path, prefix + _cipher(root, header).encrypt(header.nonce, payload, prefix))
    passphrase.keep_root_key(header.cost, header.root_salt, root)


def unseal(path: Path, purpose: SealedFor, passphrase: Passphrase, what: str) -> bytes:
    """The payload of a sealed file.

    ``what`` names it in MissingFile. ForeignSeal if it is for another purpose, told before the
    passphrase is tried; WrongPassphrase on a wrong passphrase or a changed ciphertext; DamagedFile,
    NewerFormat, TooLarge, TooLittleMemory, DiskError.
    """
    data = read(path, _FILE_LIMIT, what)
    header, prefix = _parse(path, data)
    _check_purpose(path, purpose, header.purpose)
    root = _root_key(path, header, passphrase)
    try:
        payload = _cipher(root, header).decrypt(header.nonce, data[len(prefix) :], prefix)
    except InvalidTag:
        raise WrongPassphrase(path) from None
    passphrase.keep_root_key(header.cost, header.root_salt, root)
    return payload


def purpose_of(path: Path, what: str) -> SealedFor:
    """What a sealed file says it is for; true once it has opened with this as its purpose.

    Raises what ``unseal`` raises before it tries the passphrase.
    """
    header, _ = _parse(path, read(path, _FILE_LIMIT, what))
    return header.purpose


def reseal(path: Path, target: Path, old: Passphrase, new: Passphrase) -> None:
    """Create ``target``: what ``path`` holds, for the same purpose, under another passphrase.

    Raises what ``unseal`` and ``seal`` raise.
    """
    header, _ = _parse(path, read(path, _FILE_LIMIT, "sealed file"))
    payload = unseal(path, header.purpose, old, "sealed file")
    seal(target, header.purpose, payload, new, header.cost)


def _check_purpose(path: Path, expected: SealedFor, found: SealedFor) -> None:
    differing = {
        field: (getattr(expected, field), getattr(found, field))
        for field in SealedFor.__struct_fields__
        if getattr(expected, field) != getattr(found, field)
    }
    if differing:
        raise ForeignSeal(path, differing)


def _parse(path: Path, data: bytes) -> tuple[_Header, bytes]:
    """Header and everything before the ciphertext."""
    if not data.startswith(_MAGIC):
        raise DamagedFile(path, "not a sealed file")
    if len(data) < _HEADER_AT:
        raise DamagedFile(path, "cut short")
    version = data[len(_MAGIC)]
    if version > VERSION:
        raise NewerFormat(path, version, VERSION)
    if version < VERSION:
        raise DamagedFile(path, f"format {version} never was")
    end = _HEADER_AT + int.from_bytes(data[_LENGTH_AT:_HEADER_AT], "big")
    if len(data) < end + _TAG_BYTES:
        raise DamagedFile(path, "cut short")
    try:
        header = decode(data[_HEADER_AT:end], _Header, "header", _HEADER_LIMIT)
    except Malformed as error:
        raise DamagedFile(path, f"header: {error.reason}") from None
    return header, data[:end]


def _root_key(path: Path, header: _Header, passphrase: Passphrase) -> bytes:
    if known := passphrase.root_key(header.cost, header.root_salt):
        return known
    try:
        return Argon2id(
            salt=header.root_salt,
            length=_KEY_BYTES,
            iterations=header.cost.iterations,
            lanes=header.cost.lanes,
            memory_cost=header.cost.memory_kib,
        ).derive(passphrase.encoded())
    except MemoryError:
        raise TooLittleMemory(path, header.cost.memory_kib) from None


def _cipher(root: bytes, header: _Header) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, header.salt, b"quorate/sealed file").derive(root))
