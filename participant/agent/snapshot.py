"""A data folder that is only read: a snapshot, a backup, a disk that is mounted read-only.

What an agent notes while it reads the board stays in memory. What lies in the folder's outbox is
not sent: a snapshot may be old, and the folder itself will send it.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from participant.disk import Output, Storage

_OUTBOX = "outbox/"


@dataclass
class Snapshot:
    """A storage in front of another one, which it reads and never writes to."""

    below: Storage
    _written: dict[str, bytes | None] = field(default_factory=dict)  # None: deleted

    def write(self, name: str, data: bytes) -> None:
        """Keep bytes for as long as this object lives."""
        self._written[name] = data

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Output]:
        """As ``write``, in parts."""
        found = io.BytesIO()
        yield found
        self._written[name] = found.getvalue()

    def read(self, name: str) -> bytes | None:
        """The bytes under a name, None if there are none."""
        if name in self._written or name.startswith(_OUTBOX):
            return self._written.get(name)
        return self.below.read(name)

    def read_beside(self, folder: str, name: str) -> bytes | None:
        """The bytes under a name in another folder of the same home, None if there are none."""
        return self.below.read_beside(folder, name)

    def delete(self, name: str) -> None:
        """Forget a name."""
        self._written[name] = None

    def names(self, prefix: str = "") -> list[str]:
        """All names that begin with ``prefix``, sorted."""
        below = {name for name in self.below.names(prefix) if not name.startswith(_OUTBOX)}
        own = {name for name in self._written if name.startswith(prefix)}
        return sorted(name for name in below | own if self._written.get(name, b"") is not None)
