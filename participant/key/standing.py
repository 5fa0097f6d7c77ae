"""How a hospital's key share stands: since when it has it, and where its backups are.

All of it is from notes beside the vault, so nothing is opened and nobody is asked for a passphrase.
"""

from dataclasses import dataclass
from pathlib import Path

from participant.errors import MissingFile
from participant.home import VAULT_NAME, BackupNote, KeyNotes, ShareNote, epochs_in, retired_in


@dataclass(frozen=True)
class KeyStanding:
    """What lies in a federation's folder.

    epoch: the newest whose key share is there, None if it was given up. noted: what is known of
    that share, None if nothing is. backups: of this epoch, written from this data folder.
    worthless: those of epochs before, which are to be destroyed. given_up: the epochs whose key
    shares were destroyed here.
    """

    epoch: int | None
    noted: ShareNote | None
    backups: tuple[BackupNote, ...]
    worthless: tuple[BackupNote, ...]
    given_up: tuple[int, ...]


def key_standing(folder: Path) -> KeyStanding:
    """How things stand in a federation's folder.

    Raises MissingFile where there has never been a key share, and DamagedFile for a note.
    """
    held, given_up = epochs_in(folder / VAULT_NAME), tuple(retired_in(folder / VAULT_NAME))
    if not held and not given_up:
        raise MissingFile(folder, "key share")
    epoch, notes = held[-1] if held else None, KeyNotes(folder)
    written = notes.backups()
    noted = notes.share(epoch) if epoch is not None else None
    good = tuple(note for note in written if note.epoch == epoch)
    worthless = tuple(note for note in written if note not in good)
    return KeyStanding(epoch, noted, good, worthless, given_up)
