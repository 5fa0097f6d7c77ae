"""A backup: one sealed file with all that a hospital needs to be itself again on a new machine.

It holds the identity, the newest key share of one federation, the signed terms, and the head of the
board that the hospital had last seen. It holds no older share, since one that was given up must not
come back. It does not hold seeds of sessions, posts on their way, or the sets
that were chosen: a restored copy of these is older than what was said since, and using it would say
two things where only one may be said.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from participant.agent import CHECKPOINT_NAME, read_checkpoint
from participant.errors import DamagedFile
from participant.home import (
    DEFAULT_COST,
    PAYLOAD_LIMIT,
    Argon2Cost,
    Identity,
    KeyNotes,
    Membership,
    Passphrase,
    SealedFor,
    purpose_of,
    seal,
    unseal,
)
from participant.key.errors import UnfitBackup
from protocol.board import Head
from protocol.encoding import Message, decode, encode
from protocol.errors import BadTerms, Malformed, UnsignedTerms
from protocol.key import Epoch, HeldKey, read_secret
from protocol.terms import AddressCard, Member, Terms, parse, require_signed

_KIND = "backup"
_WHAT = "backup"


class _Backup(Message, frozen=True):
    """Payload of the sealed file; ``head``: the encoded checkpoint, empty if there was none."""

    name: str
    signing_key: bytes
    terms: str
    head: Annotated[bytes, Meta(max_length=1_024)]
    share: bytes

    def __repr__(self) -> str:
        return f"_Backup(name={self.name!r}, <secret>)"


@dataclass(frozen=True)
class Backup:
    """A backup that has been opened, and checked against itself."""

    path: Path
    identity: Identity
    index: int
    terms_text: str
    terms: Terms
    card: AddressCard | None
    head: Head | None
    held: HeldKey

    @property
    def epoch(self) -> Epoch:
        """The epoch of its key share."""
        return self.held.epoch


def write_backup(
    member: Membership,
    terms_text: str,
    path: Path,
    passphrase: Passphrase,
    cost: Argon2Cost = DEFAULT_COST,
) -> Epoch:
    """Create the backup of a member, and note it; the epoch whose key share it holds, the newest.

    The share is checked before. Raises FileExists (nothing is overwritten), DiskError, and what
    ``held_key`` raises.
    """
    epoch, secret = member.held_key()
    identity = member.identity
    backup = _Backup(
        identity.name,
        identity.signing_key.private_bytes_raw(),
        terms_text,
        member.storage.read(CHECKPOINT_NAME) or b"",
        encode(secret),
    )
    purpose = SealedFor(_KIND, member.terms.federation.hex(), epoch.number, member.index)
    seal(path, purpose, encode(backup), passphrase, cost)
    KeyNotes(member.folder).note_backup(epoch, path)
    return epoch


def purpose_of_backup(path: Path, terms: Terms | None) -> SealedFor:
    """What the sealed file says it is; raises UnfitBackup unless it is a backup of ``terms``."""
    purpose = purpose_of(path, _WHAT)
    if purpose.kind != _KIND:
        raise UnfitBackup(path, f"it is no backup, but a sealed {purpose.kind}")
    if terms is not None and purpose.federation != terms.federation.hex():
        raise UnfitBackup(path, "it is the backup of another federation")
    return purpose


def open_backup(path: Path, purpose: SealedFor, passphrase: Passphrase) -> Backup:
    """Open a backup and check that it is of one piece: roster, identity, key share and its key.

    Raises what ``sealed_file.unseal`` raises, DamagedFile and UnfitBackup.
    """
    payload = unseal(path, purpose, passphrase, _WHAT)
    try:
        found = decode(payload, _Backup, _WHAT, PAYLOAD_LIMIT)
        key = Ed25519PrivateKey.from_private_bytes(found.signing_key)
        head = read_checkpoint(found.head) if found.head else None
        text = parse(found.terms)
        terms = text.terms
        require_signed(terms, text.signatures)
    except (Malformed, ValueError, BadTerms, UnsignedTerms):
        raise DamagedFile(path, "does not hold a backup") from None
    identity = Identity(found.name, key)
    if terms.federation.hex() != purpose.federation:
        raise UnfitBackup(path, "it was sealed for another federation than its terms are of")
    index, own = terms.index_of(identity.card.key), Member(found.name, identity.card.key)
    if index is None or index != purpose.member or terms.members[index - 1] != own:
        raise UnfitBackup(path, f"{found.name} is not the member of the terms that it is for")
    try:
        held = read_secret(found.share, terms, index)
    except Malformed as error:
        raise UnfitBackup(path, f"{error.what}: {error.reason}") from None
    if (number := held.epoch.number) != purpose.epoch:
        reason = f"it was sealed for epoch {purpose.epoch}, and its key share is of epoch {number}"
        raise UnfitBackup(path, reason)
    return Backup(path, identity, index, found.terms, terms, text.card, head, held)
