"""What a member of a handover keeps, in its vault; see ``protocol.handover.Shelf``.

The passphrase opens a seed for each attempt, and keys that follow from it seal the attempt's files:

    nonce (12 bytes) | AES-256-GCM of the content, bound to federation, member, session and name

Once the attempt's seed is destroyed, none of its files opens any more, wherever a medium has kept
them. The share of the old epoch is the vault's own, and so is the new one once it has been moved to
its place.
"""

import contextlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from participant.disk import delete, exists, hold, read, write_new
from participant.errors import BadName, DamagedFile, FileExists, MissingFile, NoSeed
from participant.home.key_notes import keep_share, notes_of
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import DAMAGES
from participant.home.vault import Vault, retired_in
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.handover import MAX_KEPT_BYTES, OLD_SHARE, share_of
from protocol.key import Epoch, EpochSecret, HeldKey

_KEPT = ("arrival", "dealing", "share")
_NONCE_BYTES, _TAG_BYTES, _KEY_BYTES = 12, 16, 32
_LIMIT = _NONCE_BYTES + MAX_KEPT_BYTES + _TAG_BYTES
_UNREADABLE = b""  # no content: something is there, and it is not what it was
_DAMAGES = (*DAMAGES, MissingFile)


class HandoverShelf:
    """The shelf of one attempt; the lock of the vault's data folder must be held.

    vault: of this member on the board of the old members. epoch: the old one. session: the
    attempt's. target: the vault where the share of the new epoch is to lie, which is the same one
    if the key is refreshed; None for a member that leaves.

    What cannot be opened is there as an empty content. So a member sees that it has lost something,
    and never takes it for something that it has not yet made. What was read stays in memory
    until it is deleted.
    """

    def __init__(
        self, vault: Vault, passphrase: Passphrase, epoch: int, session: str, target: Vault | None
    ) -> None:
        self._vault, self._passphrase, self._target = vault, passphrase, target
        self._epoch, self._session = epoch, session
        self._root: bytes | None = None
        self._known: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"HandoverShelf({self._session}, <secret>)"

    def write(self, name: str, data: bytes) -> None:
        """Keep this; durable on return. It is not remembered: whoever reads it reads the disk.

        Raises FileExists (nothing is overwritten), NoSeed if the attempt is over or its seed is
        lost, BadName, DiskError, and what ``vault.seed`` raises.
        """
        path = self._path(name)
        root, nonce = self._seed(may_make=True), secrets.token_bytes(_NONCE_BYTES)
        bound = self._bound(name)
        write_new(path, nonce + _cipher(root, bound).encrypt(nonce, data, bound))

    def read(self, name: str) -> bytes | None:
        """What is kept, None if nothing is; raises BadName, DiskError, TooLittleMemory."""
        if name not in self._known:
            data = self._old_share() if name == OLD_SHARE else self._kept(name)
            if data is None:
                return None
            self._known[name] = data
        return self._known[name]

    def delete(self, name: str) -> None:
        """Erase it, if it is there; the old share for good, with a mark that it was given up."""
        self._known.pop(name, None)
        if name == OLD_SHARE:
            self._vault.retire_key_share(self._epoch)
        else:
            delete(self._path(name))

    @property
    def has_share(self) -> bool:
        """Whether the new share is there, or in its place; whether it opens is not asked.

        Or was in its place, until a later handover gave another.
        """
        is_here = not self._is_over and exists(self._path(share_of(self._session)))
        is_in_place = self._target is not None and self._epoch + 1 in self._target.epochs()
        return is_here or is_in_place or self.is_replaced

    @property
    def is_replaced(self) -> bool:
        """Whether a later handover has given another share, or has ended this one."""
        if (target := self._target) is None:
            return False
        later = self._epoch + 2
        given_up = retired_in(target.folder)
        return self._epoch + 1 in given_up or any(e >= later for e in target.epochs())

    def promote(self) -> None:
        """Move the new share into its place: once the attempt is released, and again after a crash.

        The attempt's copy goes once the share in its place has been read back. The backups of the
        old share are noted there too, as people have to destroy them. Raises MissingFile
        if there is no such share, AlreadyRunning if another process works in the new federation's
        folder, DamagedFile if it does not open or is none for that place,
        FileExists if another one lies there, and what the vault raises.
        """
        name, target = share_of(self._session), self._target
        if target is None:
            raise MissingFile(self._vault.folder.parent, "key share")
        if not exists(path := self._path(name)):
            if self._promoted() is None and not self.is_replaced:
                raise MissingFile(target.folder.parent, "key share")
            return
        held = self._new_key(path, target, self._opened(path, name))
        notes = notes_of(self._vault)
        with self._holding(target):
            notes.copy_to(notes_of(target))
            keep_share(target, held, self._passphrase, notes.made_ms(self._epoch))
        self.delete(name)
        self._known[name] = encode(held.secret)

    def _holding(self, target: Vault) -> contextlib.AbstractContextManager[None]:
        """The lock of another federation's folder; that of the own one is held already."""
        is_own = target.folder == self._vault.folder
        return contextlib.nullcontext() if is_own else hold(target.folder.parent, "handover")

    def forget(self) -> None:
        """Destroy for good what is left of the attempt, once it is over.

        Raises FileExists while the new share lies here: first it is moved to its place, or deleted.
        """
        share = self._path(share_of(self._session))
        if not self._is_over and exists(share):
            raise FileExists(share, "it is a key share that was not moved to its place")
        self._vault.forget_seed(self._session)
        for what in _KEPT:
            delete(self._path(f"{self._session}/{what}"))
        self._root, self._known = None, {}

    @property
    def _is_over(self) -> bool:
        return self._vault.has_forgotten(self._session)

    def _kept(self, name: str) -> bytes | None:
        path = self._path(name)
        if self._is_over:
            return None
        if exists(path):
            return self._opened(path, name)
        return self._promoted() if name == share_of(self._session) else None

    def _opened(self, path: Path, name: str) -> bytes:
        bound = self._bound(name)
        try:
            data = read(path, _LIMIT, "file of a handover")
            nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            if len(sealed) < _TAG_BYTES:
                return _UNREADABLE
            return _cipher(self._seed(may_make=False), bound).decrypt(nonce, sealed, bound)
        except (*_DAMAGES, InvalidTag):
            return _UNREADABLE

    def _old_share(self) -> bytes | None:
        return self._share_in(self._vault, self._epoch)

    def _promoted(self) -> bytes | None:
        return self._share_in(self._target, self._epoch + 1) if self._target else None

    def _share_in(self, vault: Vault, epoch: int) -> bytes | None:
        if epoch not in vault.epochs():
            return None
        try:
            return vault.read_key_share(epoch, self._passphrase)
        except _DAMAGES:
            return _UNREADABLE

    def _new_key(self, path: Path, target: Vault, data: bytes) -> HeldKey:
        """The attempt's share, if it is the target's; raises DamagedFile."""
        try:
            secret = decode(data, EpochSecret, "key share", MAX_KEPT_BYTES)
            epoch = decode(secret.epoch, Epoch, "epoch", MAX_KEPT_BYTES)
        except Malformed:
            raise DamagedFile(path, "it does not open") from None
        place = epoch.federation, epoch.number, secret.index
        if place != (target.federation, self._epoch + 1, target.member):
            raise DamagedFile(path, "it is a key share for another place")
        return HeldKey(epoch, secret)

    def _seed(self, may_make: bool) -> bytes:
        vault, session = self._vault, self._session
        if self._root is None:
            if may_make and not vault.has_seed(session):
                if any(exists(self._path(f"{session}/{what}")) for what in _KEPT):
                    raise NoSeed(session, "lost")
                self._root = vault.new_seed(session, self._passphrase)
            else:
                self._root = vault.seed(session, self._passphrase)
        return self._root

    def _bound(self, name: str) -> bytes:
        """What a file belongs to; its key and its seal are for nothing else."""
        vault = self._vault
        return encode(("quorate/handover shelf", vault.federation, vault.member, name))

    def _path(self, name: str) -> Path:
        """The file of a name; raises BadName for all but the attempt's own."""
        session, _, what = name.rpartition("/")
        if session != self._session or what not in _KEPT:
            raise BadName(name, "this attempt keeps nothing under it")
        return self._vault.folder / f"{session.replace('/', '-')}.{what}"


def _cipher(root: bytes, bound: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, None, bound).derive(root))
