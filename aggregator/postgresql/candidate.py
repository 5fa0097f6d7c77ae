"""A process that leads as soon as no other does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager

from aggregator.errors import BoardRefused, LeadLost, StoppedWaiting, StoreFull
from aggregator.postgresql.database import PostgresBoard
from aggregator.postgresql.follower import Follower
from aggregator.postgresql.lead import Lead
from aggregator.store import Chain

log = logging.getLogger("quorate.aggregator")

_ASK_SECONDS = 0.1
_AGAIN_SECONDS = 0.5  # until a database that is gone is asked for again


class Candidate:
    """Waits for the lead, as often as it is lost; a database that was once there is waited for."""

    def __init__(self, address: str, federation: bytes) -> None:
        self._address, self._federation = address, federation
        self._was_there = False
        self._said = ""

    @asynccontextmanager
    async def leading(self, stop: asyncio.Event) -> AsyncIterator[tuple[Lead, PostgresBoard]]:
        """The lead and the board's tables, once they can be had, until the block ends.

        Raises StoppedWaiting once ``stop`` is set, and BoardRefused.
        """
        with ExitStack() as opened:
            with self._following() as follower:
                lead = opened.enter_context(closing(await self._lead(stop)))
            followed = follower.end()
            made = asyncio.to_thread(self._board, lead, followed)
            board = opened.enter_context(closing(await made))
            self._say(f"leads the board in {lead.place}, in term {lead.term}")
            watching = asyncio.create_task(_watch(lead))
            opened.callback(watching.cancel)
            yield lead, board

    @contextmanager
    def _following(self) -> Iterator[Follower]:
        """Read the board while another process leads."""
        follower = Follower(self._address, self._federation)
        following = asyncio.create_task(follower.follow())
        try:
            yield follower
        finally:
            following.cancel()

    def _board(self, lead: Lead, followed: Chain) -> PostgresBoard:
        """The board over connections beside that of the lock, which is never silent."""
        try:
            return PostgresBoard(self._address, lead, self._federation, followed)
        except BoardRefused as refused:
            if refused.kind == "connection":
                raise LeadLost(refused.place, refused.reason) from None
            raise

    async def _lead(self, stop: asyncio.Event) -> Lead:
        while not stop.is_set():
            try:
                lead = await asyncio.to_thread(Lead, self._address, self._federation)
            except BoardRefused as refused:
                if not self._was_there or refused.kind != "connection":
                    raise
                self._say(f"waits for {refused.place}: {refused.reason}")
            else:
                self._was_there = True
                if await self._taken(lead, stop):
                    return lead
            await _moment(stop, _AGAIN_SECONDS)
        raise StoppedWaiting

    async def _taken(self, lead: Lead, stop: asyncio.Event) -> bool:
        """Whether it leads; else it was stopped, or its connection is lost."""
        has_lead = False
        try:
            while not stop.is_set():
                has_lead = await asyncio.to_thread(lead.take)
                if has_lead:
                    return True
                self._say(f"stands by for the board in {lead.place}: another process leads")
                await _moment(stop, _ASK_SECONDS)
        except (LeadLost, StoreFull) as error:
            self._say(f"waits for {lead.place}: {error.reason}")
        finally:
            if not has_lead:
                await asyncio.to_thread(lead.close)
        return False

    def _say(self, what: str) -> None:
        """Log what goes on being so once."""
        if what != self._said:
            log.info("%s", what)
        self._said = what


async def _watch(lead: Lead) -> None:
    """A database that gives no answer at all would be waited for without end."""
    while True:
        await asyncio.sleep(_ASK_SECONDS)
        try:
            lead.require()
        except LeadLost as lost:
            lead.cut(lost)
            return


async def _moment(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
