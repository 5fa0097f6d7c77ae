"""The record of a federation: what a third party needs to check it, as named files.

    record.json                  format, federation and the head that the record ends with
    federation.toml              the terms with all signatures, in roster order
    entries/<hash>.msgpack       each entry of the board, under its hash; it names the one before
    blobs/<hash>.bin             payloads for all over 4 KiB, under the names the posts give them
    heads/<member>.msgpack       countersignatures of hospitals that have read the board so far

No secret and no plaintext is in it. What was sealed to one member stays out, but for ceremonies
that were aborted: their seeds are on the board, and the verdict is checked with what was sealed.
The vectors of hybrid contributions stay out too; their posts name them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.board import (
    MAX_ENTRY_BYTES,
    Entry,
    Head,
    Post,
    Posted,
    decode_entry,
    entry_hash,
    is_aborted,
)
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import Abort, Attachment, Certificate, Count, Digest, Index, Signature
from protocol.signing import sign, verify

FORMAT = "quorate record 1"
MANIFEST_PATH = "record.json"
TERMS_PATH = "federation.toml"
FOLDERS = ("entries", "blobs", "heads")
MAX_MANIFEST_BYTES = 4_096


class RecordFiles(Protocol):
    """The files of a record, by their paths with ``/``."""

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file, None if there is none; raises Malformed beyond the limit."""

    def paths(self) -> Sequence[str]:
        """All files."""


def entry_path(entry_hash: bytes) -> str:
    """Where an entry lies."""
    return f"entries/{entry_hash.hex()}.msgpack"


def blob_path(name: bytes) -> str:
    """Where a blob lies."""
    return f"blobs/{name.hex()}.bin"


def head_path(member: int) -> str:
    """Where a member's countersignature lies."""
    return f"heads/{member}.msgpack"


def digest_in(path: str) -> bytes:
    """The hash that a file has for its name; no bytes if it has another name."""
    try:
        return bytes.fromhex(path.rpartition("/")[2].partition(".")[0])
    except ValueError:
        return b""


class Manifest(Message, frozen=True):
    """What ``record.json`` says: where to begin reading, backwards.

    payloads: how many files are in ``blobs``. Whoever goes on with the record sees by it whether
    one is gone.
    """

    federation: bytes
    head: Head
    payloads: int


def write_manifest(manifest: Manifest) -> bytes:
    """The text of ``record.json``."""
    said = {
        "format": FORMAT,
        "federation": manifest.federation.hex(),
        "position": manifest.head.position,
        "head": manifest.head.hash.hex(),
        "payloads": manifest.payloads,
    }
    return (json.dumps(said, indent=2) + "\n").encode()


def read_manifest(data: bytes) -> Manifest:
    """The inverse; raises Malformed on any other text."""
    try:
        said: Any = json.loads(data)
        head = Head(int(said["position"]), bytes.fromhex(said["head"]))
        payloads = int(said["payloads"])
        manifest = Manifest(bytes.fromhex(said["federation"]), head, payloads)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise Malformed(MANIFEST_PATH, "it does not read") from None
    fits = 0 <= head.position < 1 << 48 and len(manifest.federation) == len(head.hash) == 32
    fits = fits and 0 <= payloads < 1 << 48
    if not fits or write_manifest(manifest) != data:
        raise Malformed(MANIFEST_PATH, "it is not what a record of this format has")
    return manifest


class Countersignature(Message, frozen=True):
    """A member has verified the board up to this head, and knows no other."""

    federation: Digest
    member: Index
    position: Count
    hash: Digest
    signature: Signature


def countersign(
    federation: bytes, member: int, head: Head, key: Ed25519PrivateKey
) -> Countersignature:
    """The member's signature under a head."""
    signature = sign(key, *_countersigned(federation, member, head))
    return Countersignature(federation, member, head.position, head.hash, signature)


def check_countersignature(said: Countersignature, key: bytes) -> None:
    """Raises BadSignature naming the member."""
    head = Head(said.position, said.hash)
    verify(key, said.signature, said.member, *_countersigned(said.federation, said.member, head))


def _countersigned(federation: bytes, member: int, head: Head) -> tuple[str, bytes, bytes]:
    return "quorate/countersignature", federation, encode([member, head.position, head.hash])


def read_countersignature(data: bytes) -> Countersignature:
    """Raises Malformed."""
    return decode(data, Countersignature, "countersignature", MAX_MANIFEST_BYTES)


def read_entries(files: RecordFiles, head: Head) -> Iterator[Entry]:
    """The entries from the head back to the first; raises Malformed naming the one that is amiss.

    Each has the hash that the one after it gives; what else is wrong with it is the board's affair.
    """
    position, expected = head
    while position:
        data = files.read(entry_path(expected), MAX_ENTRY_BYTES)
        if data is None:
            raise Malformed(f"entry {position}", f"{entry_path(expected)} is missing")
        entry = decode_entry(data)
        if entry_hash(data) != expected or entry.position != position:
            raise Malformed(f"entry {position}", "it is not what the entry after it names")
        yield entry
        position, expected = position - 1, entry.previous


def recorded(entries: Iterable[Posted], n_members: int) -> list[tuple[int, Attachment]]:
    """The attachments whose blobs belong into the record, with the positions of their entries.

    entries: from the first on, in order; they are read once.
    """
    ends, blobs = list[Post](), list[tuple[int, str, Attachment]]()
    for position, post, attachments in ((p.position, p.post, p.attachments) for p in entries):
        if isinstance(post.body, Abort | Certificate):
            ends.append(post)
        blobs += [(position, post.session, a) for a in attachments if a.is_blob]
    aborted = aborted_ceremonies(ends, n_members)
    return [(at, a) for at, session, a in blobs if is_recorded(a, session in aborted)]


def aborted_ceremonies(posts: Sequence[Post], n_members: int) -> set[str]:
    """The ceremonies whose seeds are on the board, or may be: of others nothing sealed is shown."""
    found = {post.session: list[Post]() for post in posts if isinstance(post.body, Abort)}
    for post in posts:  # once, as anybody can abort any number of ceremonies
        if post.session in found:
            found[post.session].append(post)
    return {session for session, said in found.items() if is_aborted(said, n_members)}


def is_recorded(attachment: Attachment, is_aborted: bool) -> bool:
    """Whether an attachment is a blob of the record; ``is_aborted``: its ceremony was."""
    return attachment.is_blob and (not attachment.to or is_aborted)
