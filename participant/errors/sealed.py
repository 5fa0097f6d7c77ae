"""What can go wrong with sealed files and their passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from participant.errors.base import ParticipantError


class NoPassphrase(ParticipantError):
    """No passphrase could be had from any source; ``variable`` is the one looked at, if any is."""

    why: Literal["no terminal", "the terminal was closed"]
    option: str
    variable: str | None


class BadPassphrase(ParticipantError, says="passphrase from {source}: {why}"):
    """A passphrase that cannot be used; ``source`` is where it came from.

    A new one is not to be the present one, and that of a backup not the one of the data folder.
    """

    why: Literal[
        "empty", "too short", "entries differ", "not UTF-8", "not in the system's encoding",
        "the present one", "that of the data folder",
    ]  # fmt: skip
    source: str


class WrongPassphrase(ParticipantError, says="{path}: wrong passphrase or damaged file"):
    """A sealed file that does not open: wrong passphrase or damaged file, which look alike."""

    path: Path


class ForeignSeal(ParticipantError, says="{path} is sealed for something else: {differing}"):
    """A sealed file made for another federation, epoch, member or purpose.

    ``differing`` maps a field of the seal's context to (expected, found).
    """

    path: Path
    differing: dict[str, tuple[str | int, str | int]]


class NewerFormat(ParticipantError, says="{path}: format {found}, this release knows {known}"):
    """A sealed file of a format version that this release does not know."""

    path: Path
    found: int
    known: int


class TooLittleMemory(
    ParticipantError, says="{path}: deriving the key takes {memory_kib} KiB of memory"
):
    """The machine cannot spare the memory that the passphrase's key derivation takes."""

    path: Path
    memory_kib: int
