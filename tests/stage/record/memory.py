"""A record in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from protocol.errors import Malformed


class MemoryFiles:
    """RecordFiles over a dict."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    def read(self, path: str, limit: int) -> bytes | None:
        data = self.files.get(path)
        if data is not None and len(data) > limit:
            raise Malformed(path, f"{len(data)} bytes, at most {limit} are allowed")
        return data

    def paths(self) -> Sequence[str]:
        return sorted(self.files)


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Put the files into a new folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
