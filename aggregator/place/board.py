"""Where a service's board is, and how one process at a time works on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from aggregator.errors import BoardRefused, LeadLost, NotYetReady
from aggregator.store import BoardDatabase, BoardTables, hold, holder, share, to_read

_SERVING = "serve"


class Told(Protocol):
    """A lead that may be lost."""

    def tell(self, told: Callable[[LeadLost], object]) -> None:
        """Call this once the lead is lost, in whichever thread."""


AtWork = tuple[BoardDatabase | None, Told | None]


class PlaceOfBoard(Protocol):
    """Where the board of a federation is."""

    def at_work(self, stop: asyncio.Event) -> contextlib.AbstractAsyncContextManager[AtWork]:
        """One process at a time until the block ends; the board's database and what may end it.

        stop: no longer wait for the turn.
        """

    def served_by(self) -> int | None:
        """The process that serves it, None if none does. Raises NotYetReady while one begins."""

    def to_read(self) -> contextlib.AbstractContextManager[BoardTables]:
        """Reads what is stored, also while a service is at work."""


class InFolder:
    """In a file of the data folder; whoever holds the folder's lock has the board."""

    def __init__(self, folder: Path, stored: Path) -> None:
        self._folder, self._stored = folder, stored

    @contextlib.asynccontextmanager
    async def at_work(self, stop: asyncio.Event) -> AsyncIterator[AtWork]:
        """Raises AlreadyRunning, StoreFull."""
        with hold(self._folder, _SERVING):
            yield None, None

    def served_by(self) -> int | None:
        """The process that holds the folder."""
        if (held := holder(self._folder)) is None:
            return None
        if held[1] != _SERVING:
            raise NotYetReady
        return held[0]

    def to_read(self) -> contextlib.AbstractContextManager[BoardTables]:
        """Raises StoreDamaged, StoreFull."""
        return to_read(self._stored)


class InPostgresql:
    """In PostgreSQL; whoever has the lead there has the board. All share the data folder.

    While they do, nobody serves a board in the folder under the same key.
    """

    def __init__(self, address: str, folder: Path, federation: bytes) -> None:
        """Raises BoardRefused."""
        try:
            from aggregator import postgresql
        except ImportError:
            raise BoardRefused("PostgreSQL", "extra", "psycopg is not installed") from None
        self._address, self._federation = postgresql.read_address(address), federation
        self._folder, self._postgresql = folder, postgresql
        self._candidate = postgresql.Candidate(self._address, federation)

    @contextlib.asynccontextmanager
    async def at_work(self, stop: asyncio.Event) -> AsyncIterator[AtWork]:
        """Raises AlreadyRunning, BoardRefused, LeadLost, StoppedWaiting."""
        with share(self._folder):
            async with self._candidate.leading(stop) as (lead, board):
                yield board, lead

    def served_by(self) -> int | None:
        """The process that leads, on whichever machine."""
        leader = self._postgresql.who_leads(self._address, self._federation)
        return None if leader is None else leader.process

    def to_read(self) -> contextlib.AbstractContextManager[BoardTables]:
        """Raises BoardRefused, StoreDamaged, StoreFull."""
        return self._postgresql.to_read(self._address, self._federation)


def place_of_board(
    address: str | None, folder: Path, stored: Path, federation: bytes
) -> PlaceOfBoard:
    """address: of PostgreSQL, None for the data folder's own; raises BoardRefused."""
    if address is None:
        return InFolder(folder, stored)
    return InPostgresql(address, folder, federation)
