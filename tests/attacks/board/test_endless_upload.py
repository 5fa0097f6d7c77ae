"""An aggregator that says of an upload what it likes: it holds nothing, all, or something else.

Such an answer has some sixty bytes, and can ask for megabytes of a blob again. A hostile aggregator
may have a hospital send an upload anew, as often as it reads it; but it makes it keep no more of it
in memory than may be on its way.
"""

import asyncio
import random
from typing import Any

import pytest

from participant.agent.agent import Agent
from participant.agent.inbox import Inbox
from participant.agent.pace import FIRST_BYTES, MOST_BYTES
from participant.agent.transfer import Uploads
from participant.network.session import Session
from protocol.board.board import Board
from protocol.encoding import encode
from protocol.messages.attachment import blob_name
from protocol.wire.frames import BlobChunk, BlobHave, FromMember, Welcome
from tests.field.network.test_resumed import BLOBS, Vector
from tests.simulator.disk import Disk
from tests.stage.saying import FEDERATION, NOWHERE, Quiet

NAME, SIZE = blob_name(BLOBS[0]), len(BLOBS[0])
FRAMES = 200


def uploading(monkeypatch: pytest.MonkeyPatch) -> tuple[Agent, list[int]]:
    """An agent in the middle of an upload, and the bytes of blobs that it gave out at a time."""
    monkeypatch.setattr(Board, "excess", lambda board, post, time_ms: "")
    disk = Disk()
    member = Agent(FEDERATION.terms, 1, FEDERATION.keys[1], disk, Vector(disk))
    member.connected(Welcome(*member.board.head))
    member.step()
    held, outgoing = list[int](), member.outgoing

    def noted() -> list[FromMember]:
        frames = outgoing()
        held.append(sum(len(f.data) for f in frames if isinstance(f, BlobChunk)))
        return frames

    monkeypatch.setattr(member, "outgoing", noted)
    member.outgoing()
    return member, held


def hear(member: Agent, said: list[BlobHave]) -> None:
    """All of it has come before the agent looks."""

    async def take() -> None:
        inbox: Any = Inbox()
        for frame in said:
            await inbox.put(encode(frame))
        session = Session(member, FEDERATION.keys[1], NOWHERE)
        await session._take(inbox, Quiet())  # type: ignore[arg-type]

    asyncio.run(take())
    member.outgoing()


@pytest.mark.parametrize("offset", [0, SIZE - 1])
def test_an_aggregator_that_holds_and_loses_a_blob_by_turns_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    member, held = uploading(monkeypatch)
    turn = [BlobHave(NAME, offset, SIZE, False), BlobHave(NAME, 0, SIZE, True)]
    hear(member, (turn * FRAMES)[:FRAMES])
    assert max(held) <= MOST_BYTES + FIRST_BYTES
    assert sum(held) > FIRST_BYTES


def test_an_offer_has_one_answer() -> None:
    uploads = Uploads({NAME: BLOBS[0]}.get, lambda: 0.0)
    uploads.resume({NAME: SIZE})
    answer = BlobHave(NAME, 0, SIZE, True)
    assert uploads.acknowledged(answer)
    assert [uploads.acknowledged(answer) for _ in range(FRAMES)] == [[]] * FRAMES


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_answered_no_more_is_on_its_way_than_there_is_room_for(seed: int) -> None:
    drawn, blobs = random.Random(seed), {blob_name(blob): blob for blob in BLOBS[:3]}
    sizes = {name: len(blob) for name, blob in blobs.items()}
    uploads = Uploads(blobs.get, lambda: 0.0)
    uploads.start(sizes)
    for _ in range(FRAMES):
        name = drawn.choice(list(blobs))
        offset = drawn.choice([0, 1, drawn.randrange(SIZE), SIZE, 64 << 20])
        before = uploads.sent
        frames = uploads.acknowledged(BlobHave(name, offset, SIZE, drawn.random() < 0.5))
        assert sum(len(f.data) for f in frames if isinstance(f, BlobChunk)) <= MOST_BYTES
        assert all(f.offset + len(f.data) <= SIZE for f in frames if isinstance(f, BlobChunk))
        assert 0 <= uploads.sent[0] <= uploads.sent[1] == before[1]
