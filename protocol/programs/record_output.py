"""A record as a folder that is being written; every file is whole or absent."""

import os
from collections.abc import Sequence
from pathlib import Path

from protocol.programs.refusals import Refusal, refusals
from protocol.programs.temporary import aside, check_ordinary, names, sweep, sync
from protocol.record import FOLDERS

_UNSETTLED = 4_096  # files at most that are waited for at one time
PUBLIC_FOLDER, _PUBLIC_FILE = 0o755, 0o644  # it is there to be handed on


class OutputFolder:
    """The files of a folder, which is made if it is missing; how they are read is a program's own.

    Raises the refusal.
    """

    def __init__(self, folder: Path, refusal: Refusal) -> None:
        self.folder, self._refusal = folder, refusal
        self._unsettled: list[Path] = []
        with refusals(folder, refusal):
            self._make(folder)
            for path in (folder, *self._folders()):
                sweep(path)

    def paths(self) -> Sequence[str]:
        """All files, and what a record has no place for, which is not looked into."""
        with refusals(self.folder, self._refusal):
            folders = [path.name for path in self._folders()]
            found = [name for name in names(self.folder) if name not in folders]
            for folder in folders:
                found += [f"{folder}/{name}" for name in names(self.folder / folder)]
        return sorted(found)

    def write(self, path: str, data: bytes) -> None:
        """Put a file as a whole in place of what had that path; durable once settled."""
        target = self.folder / path
        with refusals(target, self._refusal):
            self._make(target.parent)
            check_ordinary(target)
            with aside(target, self._refusal) as file:
                file.write(data)
                os.fchmod(file.descriptor, _PUBLIC_FILE)
                os.rename(file.temporary, target)
        self._unsettled.append(target)
        if len(self._unsettled) == _UNSETTLED:
            self.settle()

    def settle(self) -> None:
        """Wait until all that was written is durable: much faster than one by one."""
        for path in (*self._unsettled, *{path.parent for path in self._unsettled}):
            with refusals(path, self._refusal):
                sync(path)
        self._unsettled = []

    def _make(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(PUBLIC_FOLDER)
            sync(folder.parent)

    def _folders(self) -> list[Path]:
        """Those of a record's folders that are here; a link is none."""
        named = [self.folder / name for name in FOLDERS]
        return [path for path in named if path.is_dir() and not path.is_symlink()]
