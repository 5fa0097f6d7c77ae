"""How many connections there may be, counted from the first byte on."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from websockets.asyncio.server import ServerConnection

log = logging.getLogger("quorate.aggregator")


class Door:
    """All connections, and those among them that have not yet said who they are."""

    def __init__(self, most: int, most_strangers: int) -> None:
        self._most, self._most_strangers = most, most_strangers
        self._all: set[ServerConnection] = set()
        self._strangers: set[ServerConnection] = set()

    def connection(self, *arguments: Any, **options: Any) -> ServerConnection:
        """A connection that counts; what ``serve`` wants for ``create_connection``."""
        return _Counted(self, *arguments, **options)

    def enter(self, socket: ServerConnection) -> None:
        """Somebody has come; one too many is dropped."""
        self._all.add(socket)
        self._strangers.add(socket)
        if len(self._all) > self._most or len(self._strangers) > self._most_strangers:
            log.warning("%s: dropped, too many connections", peer_of(socket))
            socket.transport.abort()

    def introduce(self, socket: ServerConnection) -> None:
        """This one is a member."""
        self._strangers.discard(socket)

    def leave(self, socket: ServerConnection) -> None:
        """This one has gone."""
        self._all.discard(socket)
        self._strangers.discard(socket)

    def drop_strangers(self) -> None:
        """End every connection that is not a member's."""
        for socket in list(self._strangers):
            socket.transport.abort()


class _Counted(ServerConnection):
    def __init__(self, door: Door, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self)
        super().connection_lost(exc)


def peer_of(socket: ServerConnection) -> str:
    """The other side's address and port, for the log."""
    address = socket.remote_address
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "somebody"
