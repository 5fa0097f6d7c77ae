"""What the aggregator has sent and the agent has not taken: bounded, as it was on the wire.

A decoded frame can need many times its bytes. So a frame is decoded when the agent takes it.
"""

import asyncio

_FRAMES = 256
_BYTES = 8 << 20


class Inbox:
    """A queue of frames, and at its end the reason why there will be no more."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_FRAMES)
        self._held = 0  # bytes
        self._room = asyncio.Event()

    async def put(self, item: bytes | Exception) -> None:
        """Add a frame as soon as there is room; for one task only."""
        size = _size(item)
        while size and self._held and self._held + size > _BYTES:
            self._room.clear()
            await self._room.wait()
        await self._items.put(item)
        self._held += size

    def wake(self) -> None:
        """Let who waits for a frame go on without one; nothing happens if there are any."""
        if self._items.empty():
            self._items.put_nowait(None)

    async def get(self) -> bytes | Exception | None:
        """The next frame or the reason, as soon as there is one; None for who was woken."""
        item = await self._items.get()
        self._held -= _size(item)
        self._room.set()
        return item

    def empty(self) -> bool:
        """Whether nothing is here."""
        return self._items.empty()


def _size(item: bytes | Exception | None) -> int:
    return len(item) if isinstance(item, bytes) else 0
