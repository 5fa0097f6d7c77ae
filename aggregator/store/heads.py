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
        data = path.read_bytes() if path.exists() else b""
        whole = len(data) - len(data) % _RECORD
        if whole != len(data):
            os.truncate(path, whole)
        self.last = _last(data)

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
        return _last(path.read_bytes())
    except FileNotFoundError:
        return None


def _last(data: bytes) -> Head | None:
    whole = len(data) - len(data) % _RECORD
    ends = range(whole, max(0, whole - _KEPT * _RECORD), -_RECORD)
    heads = (_read(data[end - _RECORD : end]) for end in ends)
    return next((head for head in heads if head is not None), None)


def _read(record: bytes) -> Head | None:
    if _checksum(record[:-8]) != record[-8:]:
        return None
    return Head(int.from_bytes(record[:8], "big"), record[8:40])


def _checksum(record: bytes) -> bytes:
    return digest("quorate/noted head", record)[:8]
