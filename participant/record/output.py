"""A record as a folder that is being written; every file is whole or absent."""

from collections.abc import Sequence
from pathlib import Path

from participant.disk import entries, make_folder, replace_for_now, settle, sweep
from participant.record.folder import RecordFolder
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind
from protocol.programs.look import kind_of
from protocol.record import FOLDERS

_PUBLIC_FILE, _PUBLIC_FOLDER = 0o644, 0o755  # it is there to be handed on


class RecordOutput(RecordFolder):
    """The files of a folder, which is made if it is missing; raises DiskError, WrongKind.

    Unlike its base it needs no ``record.json``: that is what will be written last.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if (found := kind_of(folder)) in (Kind.HOME, Kind.SERVICE):
            raise WrongKind(str(folder), str(found), "record")
        self._unsettled: list[Path] = []
        self._make(folder)
        for path in (folder, *_folders(folder)):
            sweep(path)

    def paths(self) -> Sequence[str]:
        """All files, and what a record has no place for, which is not looked into."""
        folders = _folders(self.folder)
        found = [path for path in entries(self.folder) if path not in folders]
        found += [path for folder in folders for path in entries(folder)]
        return [path.relative_to(self.folder).as_posix() for path in found]

    def write(self, path: str, data: bytes) -> None:
        """Put a file as a whole in place of what had that path; durable once settled."""
        target = self.folder / path
        if not target.parent.exists():
            self._make(target.parent)
        replace_for_now(target, data)
        target.chmod(_PUBLIC_FILE)
        self._unsettled.append(target)

    def settle(self) -> None:
        """Wait until all that was written is durable."""
        settle(self._unsettled)
        self._unsettled = []

    def _make(self, folder: Path) -> None:
        is_new = not folder.exists()
        make_folder(folder)
        if is_new:
            folder.chmod(_PUBLIC_FOLDER)


def _folders(folder: Path) -> list[Path]:
    """Those of a record's folders that are here; a link is none."""
    named = [folder / name for name in FOLDERS]
    return [path for path in named if path.is_dir() and not path.is_symlink()]
