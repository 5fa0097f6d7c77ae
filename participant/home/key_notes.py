"""When a hospital got its key shares, and where it has put backups of them. Nothing here is secret.

Each note is a small file of its own in the federation's folder, which opens without a passphrase.
So people see at any time which backups are of use, and which they have to destroy.
"""

import contextlib
import hashlib
import hmac
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from participant.disk import FolderStorage
from participant.errors import DamagedFile, FileExists, TooLarge
from participant.home.passphrase import Passphrase
from participant.home.vault import Vault
from protocol.board import Milliseconds
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.key import Epoch, HeldKey
from protocol.messages import Count, Digest

_FOLDER = "key-notes"
_MAX_BYTES = 8_192

T = TypeVar("T", bound=Message)


class ShareNote(Message, frozen=True):
    """A key share that this hospital got. digest: of its epoch.

    since_ms: when it got it. made_ms: when the members made the key, with this N; None where that
    is not known here.
    """

    epoch: Count
    digest: Digest
    since_ms: Milliseconds
    made_ms: Milliseconds | None


class BackupNote(Message, frozen=True):
    """A backup that was written. path: absolute, in the system's bytes."""

    epoch: Count
    path: bytes
    time_ms: Milliseconds

    @property
    def file(self) -> Path:
        """Where it was written to."""
        return Path(os.fsdecode(self.path))


@dataclass(frozen=True)
class KeyNotes:
    """The notes in a federation's folder."""

    folder: Path

    def note_share(self, epoch: Epoch, made_ms: int | None) -> None:
        """Note, durably, that this hospital gets its share now; it keeps what it has noted before.

        made_ms: as in ShareNote.
        """
        noted = self._whole(epoch.number)
        if noted is None or noted.digest != epoch.digest:
            note = ShareNote(epoch.number, epoch.digest, now_ms(), made_ms)
            self._storage.write(_share_name(epoch.number), encode(note))

    def note_backup(self, epoch: Epoch, path: Path) -> None:
        """Note, durably, that a backup of this epoch's share has been written."""
        note = encode(BackupNote(epoch.number, os.fsencode(path.absolute()), now_ms()))
        name = hashlib.sha256(note).hexdigest()[:16]
        self._storage.write(f"{_FOLDER}/backup-{name}", note)

    def made_ms(self, epoch: int) -> int | None:
        """When the key was made, as it is noted of its share in an epoch; None if it is not."""
        noted = self._whole(epoch)
        return noted.made_ms if noted else None

    def share(self, epoch: int) -> ShareNote | None:
        """What is noted of the share of an epoch; raises DamagedFile."""
        return self._read(_share_name(epoch), ShareNote)

    def backups(self) -> list[BackupNote]:
        """All backups that were written from here, in their order; raises DamagedFile."""
        found = [note for name in self._backups() if (note := self._read(name, BackupNote))]
        return sorted(found, key=lambda note: note.time_ms)

    def copy_to(self, other: "KeyNotes") -> None:
        """Note all these backups there too, durably, but for what is damaged."""
        for name in self._backups():
            with contextlib.suppress(DamagedFile):
                if note := self._read(name, BackupNote):
                    other._storage.write(name, encode(note))

    def _backups(self) -> list[str]:
        return self._storage.names(f"{_FOLDER}/backup-")

    def _whole(self, epoch: int) -> ShareNote | None:
        """None for one that is damaged, too: no note may be in a key share's way."""
        try:
            return self.share(epoch)
        except DamagedFile:
            return None

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            data = self._storage.read(name)
            return None if data is None else decode(data, kind, "note", _MAX_BYTES)
        except (Malformed, TooLarge) as error:
            reason = error.reason if isinstance(error, Malformed) else "it is too long"
            raise DamagedFile(self.folder / name, reason, "note") from None

    @property
    def _storage(self) -> FolderStorage:
        return FolderStorage(self.folder, _MAX_BYTES)


def keep_share(vault: Vault, held: HeldKey, passphrase: Passphrase, made_ms: int | None) -> None:
    """Note and store a key share, and read it back; again and again, with the same outcome.

    made_ms: as in ShareNote. The note is durable first, so that no share is there without one.
    Raises FileExists if another share of this epoch lies there, and what the vault raises.
    """
    number, payload = held.epoch.number, encode(held.secret)
    if number not in vault.epochs():
        notes_of(vault).note_share(held.epoch, made_ms)
        vault.store_key_share(number, payload, passphrase)
    if not hmac.compare_digest(vault.read_key_share(number, passphrase), payload):
        reason = f"it holds another key share of epoch {number}"
        raise FileExists(vault.key_share_path(number), reason)


def notes_of(vault: Vault) -> KeyNotes:
    """The notes beside a vault."""
    return KeyNotes(vault.folder.parent)


def now_ms() -> int:
    """This machine's clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


def _share_name(epoch: int) -> str:
    return f"{_FOLDER}/share-{epoch}"
