"""Reading a board on while another process leads: the next leader has little left to read."""

import asyncio
import contextlib
from threading import Lock

from aggregator.errors import BoardRefused, StoreDamaged, StoreFull
from aggregator.postgresql.stored import to_follow
from aggregator.store import Chain
from protocol.board import Head, genesis

_EVERY_SECONDS = 0.5


class Follower:
    """Hashes the entries of a board as they come. Who leads then sees whether they are there."""

    def __init__(self, address: str, federation: bytes) -> None:
        self._address, self._federation = address, federation
        self._chain = Chain(Head(0, genesis(federation)))
        self._turn, self._is_over = Lock(), False

    async def follow(self) -> None:
        """Read on until it is cancelled; a database that is away or damaged is read later."""
        while True:
            with contextlib.suppress(BoardRefused, StoreDamaged, StoreFull):
                await asyncio.to_thread(self._read_on)
            await asyncio.sleep(_EVERY_SECONDS)

    def _read_on(self) -> None:
        with to_follow(self._address, self._federation) as page_after:
            while page := page_after(self._chain.head.position):
                for data in page:
                    with self._turn:
                        if self._is_over:
                            return
                        self._chain.take(data)

    def end(self) -> Chain:
        """What was read; nothing is added to it any more, whatever a thread still reads."""
        with self._turn:
            self._is_over = True
            return self._chain
