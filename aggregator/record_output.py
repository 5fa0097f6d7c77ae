"""A record as a folder that is being written; every file is whole or absent."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from aggregator.durable import disk_errors, sync
from aggregator.errors import StoreFull
from protocol.errors import Malformed
from protocol.record import FOLDERS

_TEMPORARY = re.compile(r"\.quorate-[0-9a-f]{32}\.tmp")


class RecordOutput:
    """The files of a folder, which is made if it is missing; raises StoreFull."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with disk_errors(folder):
            if folder.exists() and not folder.is_dir():
                raise StoreFull(folder, "it is not a folder")
            folder.mkdir(parents=True, exist_ok=True)

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
        named = [self._folder / name for name in FOLDERS]
        folders = [path for path in named if path.is_dir() and not path.is_symlink()]
        with disk_errors(self._folder):
            found = [path for path in self._folder.iterdir() if path not in folders]
            found += [path for folder in folders for path in folder.iterdir()]
        whole = [path for path in found if not _TEMPORARY.fullmatch(path.name)]
        return sorted(path.relative_to(self._folder).as_posix() for path in whole)

    def write(self, path: str, data: bytes) -> None:
        """Put a file, durably and as a whole, in place of what had that path."""
        target = self._folder / path
        with disk_errors(target):
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                sync(self._folder)
            aside = target.with_name(f".quorate-{secrets.token_hex(16)}.tmp")
            try:
                with aside.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                aside.rename(target)
            finally:
                aside.unlink(missing_ok=True)
            sync(target.parent)
