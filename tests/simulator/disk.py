"""Disks that outlive a crash, and the crash itself."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO


class Crash(BaseException):
    """The machine stopped; a BaseException, so that no handler of the code under test sees it."""


class Disk:
    """A member's durable storage; ``hook`` may raise Crash before or after any change."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.beside: dict[str, Disk] = {}  # of the same home, by the names of their folders
        self.hook: Callable[[], None] = lambda: None

    def dies_after(self, moments: int) -> None:
        """Let the machine stop after so many moments: there is one before and after any change."""
        seen = itertools.count()

        def hook() -> None:
            if next(seen) >= moments:
                raise Crash

        self.hook = hook

    def write(self, name: str, data: bytes) -> None:
        self.hook()
        self.files[name] = bytes(data)
        self.hook()

    @contextmanager
    def writing(self, name: str) -> Iterator[BytesIO]:
        written = BytesIO()
        yield written
        self.write(name, written.getvalue())

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def read_beside(self, folder: str, name: str) -> bytes | None:
        return self.beside[folder].read(name) if folder in self.beside else None

    def delete(self, name: str) -> None:
        self.hook()
        self.files.pop(name, None)
        self.hook()

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(prefix))
