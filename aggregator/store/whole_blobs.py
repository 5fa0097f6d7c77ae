"""Where whole blobs lie, by their names; which ones are recorded, the board's store says."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from aggregator.errors import StoreDamaged
from protocol.messages import blob_name


class WholeBlobs(Protocol):
    """What has a blob's name has its bytes, or is damaged. So nothing is ever overwritten.

    All raise StoreFull for what is refused, and where nobody answers.
    """

    @property
    def place(self) -> str:
        """Its address, empty for the data folder."""

    @property
    def is_away(self) -> bool:
        """Whether it has failed, and not answered since: then nobody need wait for it."""

    def keep(self, path: Path, digest: bytes, data: bytes) -> None:
        """Put a blob here; durable when this returns. path: a synced file of it, which may go."""

    def is_left(self, digest: bytes, size: int) -> bool:
        """Whether a blob is as if it had just been kept, though no row says so, as after a crash.

        False where it costs more to ask than to keep it again.
        """

    def ticket_to_get(self, digest: bytes) -> str:
        """The query of a URL by which whoever has it gets one blob, for some minutes.

        Empty where there is no such thing.
        """

    def ticket_to_put(self, digest: bytes, size: int) -> str:
        """The same to put one that is not here."""

    def expect(self, digest: bytes) -> None:
        """Somebody has such a ticket: ``is_left`` is to tell what comes of it."""

    def read(self, digest: bytes) -> bytes:
        """A blob; raises StoreDamaged unless its bytes have its name."""

    def part(self, digest: bytes, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of a blob; raises StoreDamaged as ``read`` does."""

    def require(self, digest: bytes, size: int | None) -> None:
        """Raises StoreDamaged if a blob is surely not here. size: None where it is not known.

        Nothing is asked for over a network: then ``read`` finds what is gone.
        """

    def remove(self, digests: Sequence[bytes]) -> None:
        """Delete blobs, also some that are gone."""

    def found(self) -> Iterator[tuple[bytes, int]]:
        """The names and sizes of all that lies here, a few at a time."""

    def close(self) -> None:
        """Let go of what it speaks with."""


class CheckedBlobs:
    """The last blobs whose bytes had their name, for readers of parts; up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._held: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, digest: bytes) -> bytes | None:
        """One that is still held."""
        if digest in self._held:
            self._held.move_to_end(digest)
        return self._held.get(digest)

    def hold(self, digest: bytes, data: bytes) -> bytes:
        """Hold one, and let go of the oldest; returns it."""
        self.forget(digest)
        self._held[digest] = data
        self._size += len(data)
        while self._size > self._limit:
            self._size -= len(self._held.popitem(last=False)[1])
        return data

    def forget(self, digest: bytes) -> None:
        """Let go of one."""
        self._size -= len(self._held.pop(digest, b""))


def require_name(data: bytes, digest: bytes, where: str = "") -> bytes:
    """The bytes of a blob; raises StoreDamaged if they do not have its name. where: for people."""
    if blob_name(data) != digest:
        raise StoreDamaged(f"blob {digest.hex()}", f"its bytes{where} do not have its name")
    return data
