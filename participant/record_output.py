"""A record as a folder that is being written; every file is whole or absent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from participant.errors import MissingFile, TooLarge
from participant.files import entries, make_folder, read, replace, sweep
from protocol.errors import Malformed
from protocol.record import FOLDERS

_PUBLIC_FILE, _PUBLIC_FOLDER = 0o644, 0o755  # it is there to be handed on


class RecordOutput:
    """The files of a folder, which is made if it is missing; raises DiskError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._make(folder)
        for path in (folder, *_folders(folder)):
            sweep(path)

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file, None if there is none; raises Malformed beyond the limit."""
        try:
            return read(self._folder / path, limit, "record")
        except MissingFile:
            return None
        except TooLarge:
            raise Malformed(path, f"it has more than {limit} bytes") from None

    def paths(self) -> Sequence[str]:
        """All files, and what a record has no place for, which is not looked into."""
        folders = _folders(self._folder)
        found = [path for path in entries(self._folder) if path not in folders]
        found += [path for folder in folders for path in entries(folder)]
        return [path.relative_to(self._folder).as_posix() for path in found]

    def write(self, path: str, data: bytes) -> None:
        """Put a file, durably and as a whole, in place of what had that path."""
        target = self._folder / path
        if not target.parent.exists():
            self._make(target.parent)
        replace(target, data)
        target.chmod(_PUBLIC_FILE)

    def _make(self, folder: Path) -> None:
        is_new = not folder.exists()
        make_folder(folder)
        if is_new:
            folder.chmod(_PUBLIC_FOLDER)


def _folders(folder: Path) -> list[Path]:
    """Those of a record's folders that are here; a link is none."""
    named = [folder / name for name in FOLDERS]
    return [path for path in named if path.is_dir() and not path.is_symlink()]
