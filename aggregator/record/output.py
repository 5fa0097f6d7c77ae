"""A record as a folder that is being written; every file is whole or absent."""

import contextlib
import fcntl
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from aggregator.store import disk_errors, sync
from protocol.errors import Malformed, WrongKind
from protocol.programs.file_kind import Kind
from protocol.programs.look import kind_of
from protocol.record import FOLDERS

_TEMPORARY = re.compile(r"\.quorate-[0-9a-f]{32}\.tmp")


class RecordOutput:
    """The files of a folder, which is made if it is missing; raises StoreFull."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsettled: list[Path] = []
        with disk_errors(folder):
            if (found := kind_of(folder)) not in (None, Kind.FOLDER, Kind.RECORD):
                raise WrongKind(str(folder), str(found), "record")
            folder.mkdir(parents=True, exist_ok=True)
            for path in self._everything():
                if _TEMPORARY.fullmatch(path.name):
                    _remove_if_abandoned(path)

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file, None if there is none; raises Malformed beyond the limit."""
        with disk_errors(self._folder / path):
            try:
                with (self._folder / path).open("rb") as file:
                    data = file.read(limit + 1)
            except FileNotFoundError:
                return None
        if len(data) > limit:
            raise Malformed(path, f"it has more than {limit} bytes")
        return data

    def paths(self) -> Sequence[str]:
        """All files, and what a record has no place for, which is not looked into."""
        with disk_errors(self._folder):
            found = [p for p in self._everything() if not _TEMPORARY.fullmatch(p.name)]
        return sorted(path.relative_to(self._folder).as_posix() for path in found)

    def _everything(self) -> list[Path]:
        named = [self._folder / name for name in FOLDERS]
        folders = [path for path in named if path.is_dir() and not path.is_symlink()]
        found = [path for path in self._folder.iterdir() if path not in folders]
        return found + [path for folder in folders for path in folder.iterdir()]

    def write(self, path: str, data: bytes) -> None:
        """Put a file as a whole in place of what had that path; durable once settled."""
        target = self._folder / path
        with disk_errors(target):
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                sync(self._folder)
            aside = target.with_name(f".quorate-{secrets.token_hex(16)}.tmp")
            try:
                with aside.open("xb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)  # so that nobody takes it for abandoned
                    file.write(data)
                    file.flush()
                    aside.rename(target)
            finally:
                aside.unlink(missing_ok=True)
        self._unsettled.append(target)

    def settle(self) -> None:
        """Wait until all that was written is durable: much faster than one by one."""
        for path in (*self._unsettled, *{path.parent for path in self._unsettled}):
            with disk_errors(path):
                sync(path)
        self._unsettled = []


def _remove_if_abandoned(path: Path) -> None:
    """Remove what a dead process was writing; a living one holds a lock on it."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
