"""Which process speaks for a member: one at a time, and the living one keeps its place."""

import asyncio
from collections import defaultdict

from aggregator.errors import AggregatorError
from aggregator.server.connection import Connection, Place


class IdentityInUse(AggregatorError, says="member {member} since {since}"):
    """Another process speaks for this member, and is alive."""

    member: int
    since: str


class Leases:
    """At most one connection of purpose "member" for each member, and each guest."""

    def __init__(self, ping_seconds: float) -> None:
        self._ping_seconds = ping_seconds
        self._holders: dict[Place, Connection] = {}
        self._turns: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def holders(self) -> dict[int, Connection]:
        """The connection of each member or guest that has one."""
        return {connection.member: connection for connection in self._holders.values()}

    async def take(self, connection: Connection) -> None:
        """Give a member's or guest's place to a connection.

        The same process coming back replaces its old connection, and another process replaces one
        that no longer answers; raises IdentityInUse if it does. The guest of another handover, who
        had the number before, has another place.
        """
        async with self._turns[connection.place]:
            holder = self._holders.get(connection.place)
            if holder is not None:
                if holder.instance != connection.instance and await holder.is_alive(
                    self._ping_seconds
                ):
                    raise IdentityInUse(connection.member, holder.since)
                holder.drop()
            self._holders[connection.place] = connection

    def release(self, connection: Connection) -> None:
        """Free the place, unless another connection has it by now."""
        if self._holders.get(connection.place) is connection:
            del self._holders[connection.place]
