"""How far the board has been, noted where a restored or damaged database cannot change it."""

import os
from pathlib import Path

from protocol.board import Head
from protocol.encoding import digest

_RECORD = 48  # bytes: position (8), hash (32), checksum (8)
_KEPT = 64  # records looked at from the end: the last ones may be torn


class HeadLog:
    """Heads in the order in which the board had them; after a crash its end may lag behind.

    Nothing waits until a note is on the disk: a note that was lost only says less.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        size = path.stat().st_size if path.exists() else 0
        if size % _RECORD:
            os.truncate(path, size - size % _RECORD)
        self.last = last_noted(path)

    def note(self, head: Head) -> None:
        """Add a head. If the system refuses, nothing is lost but this safeguard."""
        record = head.position.to_bytes(8, "big") + head.hash
        try:
            with self._path.open("ab") as file:
                file.write(record + _checksum(record))
        except OSError:
            return


def last_noted(path: Path) -> Head | None:
    """The head noted last in a file that another process may be writing, None if there is none."""
    try:
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size // _RECORD
            file.seek(max(0, whole - _KEPT) * _RECORD)
            data = file.read(_KEPT * _RECORD)
    except FileNotFoundError:
        return None
    ends = range(len(data) - len(data) % _RECORD, 0, -_RECORD)
    heads = (_read(data[end - _RECORD : end]) for end in ends)
    return next((head for head in heads if head is not None), None)


def _read(record: bytes) -> Head | None:
    if _checksum(record[:-8]) != record[-8:]:
        return None
    return Head(int.from_bytes(record[:8], "big"), record[8:40])


def _checksum(record: bytes) -> bytes:
    return digest("quorate/noted head", record)[:8]
