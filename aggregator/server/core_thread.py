"""The service's core at work beside the event loop, one thing at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aggregator.errors import LeadLost, StoreDamaged, StoreFull
from aggregator.server.service import Aggregator
from protocol.board import Posted

T = TypeVar("T")


class CoreThread:
    """Runs what is asked of the core, in the order of asking.

    ``rested`` is called in the loop after each: entries may be new although whoever asked for
    them no longer waits.
    """

    def __init__(self, aggregator: Aggregator, rested: Callable[[], None]) -> None:
        self._aggregator, self._rested = aggregator, rested
        self._thread = ThreadPoolExecutor(1, "core")
        self._ends: asyncio.Queue[StoreDamaged | LeadLost] = asyncio.Queue()
        # The head as of the core's last rest: read from the loop, where the core's own may be
        # half written.
        self.head = aggregator.board.head
        self.news = deque[Posted]()  # entries since then, for who takes them in the loop

    async def do(self, work: Callable[[], T]) -> T:
        """The result of ``work``; raises what it raises."""

        def one_thing() -> T:
            try:
                return work()
            finally:
                board, told = self._aggregator.board, self.head.position
                self.news.extend(board.entries[told : board.head.position])
                self.head = board.head

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, one_thing)
        except (StoreFull, StoreDamaged, LeadLost) as error:
            self._note(error)
            raise
        finally:
            self._rested()

    async def beside(self, work: Callable[[], T]) -> T:
        """The same of what may be done while the core is at work: only reading the board is."""
        try:
            return await asyncio.to_thread(work)
        except (StoreFull, StoreDamaged, LeadLost) as error:
            self._note(error)
            raise

    def _note(self, error: StoreFull | StoreDamaged | LeadLost) -> None:
        if isinstance(error, StoreFull):
            self._aggregator.storage.refused(error)
        else:
            self.fail(error)

    def fail(self, error: StoreDamaged | LeadLost) -> None:
        """The service cannot go on; in the loop."""
        self._ends.put_nowait(error)

    async def failed(self) -> StoreDamaged | LeadLost:
        """Waits until something turns out to be damaged, or another process may lead."""
        return await self._ends.get()

    async def end(self) -> None:
        """Wait for what is being done, and do no more."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
