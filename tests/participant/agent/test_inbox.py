"""What waits for an agent that is at work."""

import asyncio

from participant.agent.inbox import Inbox


async def fill(inbox: Inbox, frame: bytes) -> int:
    """Put the frame until it has to wait; how many went in."""
    for count in range(1_000):
        try:
            async with asyncio.timeout(0.02):
                await inbox.put(frame)
        except TimeoutError:
            return count
    raise AssertionError("it takes without end")


async def test_an_inbox_holds_eight_mebibytes() -> None:
    assert await fill(Inbox(), bytes(1 << 20)) == 8


async def test_an_inbox_holds_so_many_frames_however_small() -> None:
    assert await fill(Inbox(), b"") == 256


async def test_what_is_taken_makes_room() -> None:
    inbox = Inbox()
    await fill(inbox, bytes(1 << 20))
    waiting = asyncio.create_task(inbox.put(b"x" * (1 << 20)))
    for _ in range(8):
        assert await inbox.get() == bytes(1 << 20)
    await waiting
    assert await inbox.get() == b"x" * (1 << 20)
    assert inbox.empty()


async def test_the_reason_of_the_end_comes_last_and_needs_no_room() -> None:
    inbox, end = Inbox(), ValueError()
    await inbox.put(bytes(8 << 20))
    async with asyncio.timeout(1):
        await inbox.put(end)
    assert isinstance(await inbox.get(), bytes)
    assert await inbox.get() is end
