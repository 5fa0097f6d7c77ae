"""For how long the service has waited for members since an entry: only while it was running.

While it is stopped nobody can contribute, and whether it was stopped for a day, or the machine's
clock was set by a day, nobody can tell. A small file notes now and then that the service is alive.
"""

import contextlib
import os
from pathlib import Path
from typing import Annotated

import msgspec

_NAME = "alive"
_EVERY_MS = 5_000
_KEPT = 100  # times of standing still
_ROOM = 4_096  # bytes of the file, written over each time: a full disk does not refuse it


_Ms = Annotated[int, msgspec.Meta(ge=0, le=1 << 46)]  # until the year 4199


class _Alive(msgspec.Struct):
    last_ms: _Ms
    stops: list[tuple[_Ms, _Ms]]


class Waits:
    """Times are the board's, in ms."""

    def __init__(self, folder: Path, last_entry_ms: int) -> None:
        self._path = folder / _NAME
        found = _read(self._path)
        self.last_ms = max(found.last_ms, last_entry_ms)  # until then it has certainly run
        self._stops = found.stops[-_KEPT:]
        self._kept_ms = 0

    def begin(self, now_ms: int) -> None:
        """The service runs from now on."""
        if 0 < self.last_ms < now_ms:
            self._stops.append((self.last_ms, now_ms))

    def since(self, time_ms: int, now_ms: int) -> int:
        """How long was waited since a time."""
        stopped = sum(max(0, end - max(begin, time_ms)) for begin, end in self._stops)
        return now_ms - time_ms - stopped

    def keep(self, now_ms: int) -> None:
        """Note that the service is alive; if that is refused, waits are shorter by a restart."""
        if now_ms < self._kept_ms + _EVERY_MS:
            return
        self._kept_ms = now_ms
        data = msgspec.json.encode(_Alive(now_ms, self._stops[-_KEPT:])).ljust(_ROOM)
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, data, 0)
            finally:
                os.close(descriptor)


def _read(path: Path) -> _Alive:
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(path.read_bytes(), type=_Alive)
    return _Alive(0, [])
