"""What can go wrong with files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from participant.errors.base import ParticipantError


class MissingFile(ParticipantError, says="{path}: no {what} here"):
    """A file that is needed and is not there, or a folder without a key share; ``what`` lacks."""

    path: Path
    what: str


class FileExists(ParticipantError):
    """A file that is never overwritten is there already; ``reason`` if it is not what it should be.

    Nothing was replaced.
    """

    path: Path
    reason: str = ""


class TooLarge(ParticipantError, says="{path}: {what} of more than {limit} bytes"):
    """A file of more than ``limit`` bytes."""

    path: Path
    what: str
    limit: int


class DiskError(ParticipantError, says="{path}: {reason}"):
    """The operating system refused to read or write; ``reason`` in its words.

    number: its ``errno``, 0 where it gave none.
    """

    path: Path
    reason: str
    number: int = 0

    @classmethod
    def of(cls, path: Path, error: OSError) -> DiskError:
        """What an OSError says of a path."""
        return cls(path, error.strerror or type(error).__name__, error.errno or 0)


class DamagedFile(ParticipantError, says="{path}: {reason}"):
    """A file that does not have the form it must have; one of the data folder by its name there."""

    path: Path | str
    reason: str
    what: Literal[
        "sealed file", "outbox", "model", "local entries", "journal", "approval", "numbers", "note",
        "release", "beginning", "copy of the board", "verified",
    ] = "sealed file"  # fmt: skip


class AlreadyRunning(ParticipantError, says="{path} is held by process {pid} ({command})"):
    """Another process holds the data folder; ``pid`` is None where it has not yet said."""

    path: Path
    pid: int | None
    command: str
