"""Vectors of many blobs, through an agent: up from its storage, and down to its task in order."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.outbox import store_blob
from participant.agent.transfer import WINDOW, TransferBytes
from participant.errors import DamagedBlob
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.messages.attachment import attach, blob_name
from protocol.messages.rounds import Contribution, SetLock
from protocol.wire.frames import (
    BlobChunk,
    BlobOffer,
    BlobRequest,
    FromAggregator,
    Submit,
    Subscribe,
    Welcome,
)
from tests.simulator.disk import Disk
from tests.stage.saying import FEDERATION, Saying, aggregator

BLOBS = tuple(os.urandom(5_000 + k) for k in range(40))
NAMES = tuple(map(blob_name, BLOBS))
VECTOR = Contribution(bytes(32), attach(b""), NAMES)


class Reading(Saying):
    """A task that stores a vector and says it, then reads one, four blobs ahead."""

    def __init__(self, blobs: Sequence[bytes] = (), disk: Disk | None = None) -> None:
        super().__init__()
        self.left = [(blob_name(blob), len(blob)) for blob in blobs]
        self.read: list[bytes] = []
        self.disk = disk

    @property
    def done(self) -> bool:
        return not self.left

    def due(self) -> Draft | None:
        if (disk := self.disk) is None:
            return None
        self.disk = None
        return Draft(
            "study/cardio/1", VECTOR, stored=tuple(store_blob(disk, blob) for blob in BLOBS)
        )

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        return self.left[:4]

    def receive_blob(self, name: bytes, data: bytes) -> None:
        assert (name, len(data)) == self.left.pop(0)
        self.read.append(data)


def agent(task: Reading, disk: Disk | None = None, index: int = 1) -> Agent:
    return Agent(FEDERATION.terms, index, FEDERATION.keys[index], disk or Disk(), task)


def begun(service: Aggregator, task: Reading, disk: Disk | None = None) -> Agent:
    """The agent of a task, after its first step."""
    member = agent(task, disk)
    member.connected(Welcome(*service.board.head))
    member.step()
    return member


def asked(member: Agent) -> list[bytes]:
    return [frame.digest for frame in member.outgoing() if isinstance(frame, BlobRequest)]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aggregator:
    # No round is open here, so that nobody has a budget for these posts.
    monkeypatch.setattr(Board, "excess", lambda board, post, time_ms: "")
    monkeypatch.setattr(Board, "chunk_excess", lambda board, post, size_of: "")
    return aggregator(tmp_path)


def holding(service: Aggregator) -> Aggregator:
    for blob in BLOBS:
        service._blobs.put(blob)
    return service


def talk(member: Agent, service: Aggregator, chaos: random.Random, loss: float = 0.0) -> None:
    """Until the agent is done; answers come in any order, some twice, some never."""
    member.connected(Welcome(*service.board.head))
    for _ in range(3_000):
        member.step()
        if member.done:
            return
        answers: list[FromAggregator] = []
        for frame in member.outgoing():
            answers += [a for a in service.receive(member.index, frame) if chaos.random() >= loss]
        answers += [answer for answer in answers if chaos.random() < loss]
        chaos.shuffle(answers)
        for answer in answers:
            member.receive(answer)
        if not answers:
            member.nudge()
    raise AssertionError("no end")


def kept(disk: Disk) -> set[bytes]:
    """The blobs in an outbox; nothing else but the record of them may be in it."""
    names = disk.names("outbox/")
    assert [name for name in names if not name.startswith("outbox/blob-")] == ["outbox/kept"]
    return {bytes.fromhex(name.removeprefix("outbox/blob-")) for name in names[:-1]}


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_stream_is_handed_over_in_order_whatever_order_it_comes_in(
    service: Aggregator, loss: float
) -> None:
    task = Reading(BLOBS)
    talk(agent(task), holding(service), random.Random(1), loss)
    assert task.read == list(BLOBS)


def test_only_the_wanted_blobs_are_asked_for_and_kept(service: Aggregator) -> None:
    task = Reading(BLOBS)
    member = begun(service, task)
    member.step()
    assert asked(member) == list(NAMES[:4]), "once each"
    member.receive(BlobChunk(NAMES[7], len(BLOBS[7]), 0, BLOBS[7]))  # not asked for
    member.receive(BlobChunk(NAMES[1], len(BLOBS[1]), 0, BLOBS[1]))
    assert member.transfer == TransferBytes(0, 0, len(BLOBS[1]), sum(map(len, BLOBS[:4])))
    member.step()
    assert task.read == []
    member.receive(BlobChunk(NAMES[0], len(BLOBS[0]), 0, BLOBS[0]))
    member.step()
    assert task.read == list(BLOBS[:2])
    assert asked(member) == list(NAMES[4:6])


def test_what_is_on_its_way_is_asked_for_again_after_a_reconnection(service: Aggregator) -> None:
    member = begun(service, Reading(BLOBS))
    member.disconnected()
    assert member.outgoing() == []
    member.connected(Welcome(*service.board.head))
    assert asked(member) == list(NAMES[:4])


def test_a_blob_that_is_not_wanted_any_more_is_forgotten(service: Aggregator) -> None:
    task = Reading(BLOBS)
    member = begun(service, task)
    member.receive(BlobChunk(NAMES[1], len(BLOBS[1]), 0, BLOBS[1]))
    task.left.clear()
    member.step()
    assert member.transfer == TransferBytes(0, 0, 0, 0)


def test_a_false_blob_stops_the_agent(service: Aggregator) -> None:
    task = Reading(BLOBS)
    member = begun(service, task)
    with pytest.raises(DamagedBlob):
        member.receive(BlobChunk(NAMES[0], len(BLOBS[0]), 0, bytes(len(BLOBS[0]))))
    assert task.read == []


def test_a_vector_goes_up_by_the_window_and_then_its_post(service: Aggregator) -> None:
    disk = Disk()
    member = begun(service, Reading((), disk), disk)
    chunks = member.outgoing()[1:]
    assert [chunk.digest for chunk in chunks if isinstance(chunk, BlobChunk)] == list(
        NAMES[:WINDOW]
    )
    assert len(chunks) == WINDOW, "the post waits for the last blob"
    member.disconnected()
    talk(member, service, random.Random(2), 0.3)
    assert [posted.post.body for posted in service.board.entries] == [VECTOR]
    assert all(service._blobs.read(name) == blob for name, blob in zip(NAMES, BLOBS, strict=True))
    assert kept(disk) == set(NAMES)


def test_a_restart_in_the_middle_of_an_upload_goes_on_with_the_same_bytes(
    service: Aggregator,
) -> None:
    disk = Disk()
    first = begun(service, Reading((), disk), disk)
    for _ in range(2):
        for frame in first.outgoing():
            for answer in service.receive(1, frame):
                first.receive(answer)
    sent = sum(map(len, BLOBS[: 2 * WINDOW]))
    assert first.transfer == TransferBytes(sent, sum(map(len, BLOBS)), 0, 0)
    again = agent(Reading(), disk)  # the process has died
    again.connected(Welcome(*service.board.head))
    assert not [f for f in again.outgoing() if isinstance(f, BlobOffer)]  # the board comes first
    again.step()
    frames = again.outgoing()
    offers = [frame.digest for frame in frames if isinstance(frame, BlobOffer)]
    assert offers == list(NAMES[:WINDOW])
    assert not any(isinstance(frame, BlobChunk | Submit) for frame in frames)
    talk(again, service, random.Random(3))
    assert [posted.post.body for posted in service.board.entries] == [VECTOR]
    assert kept(disk) == set(NAMES)


def test_an_own_vector_is_read_back_and_what_is_damaged_of_it_is_asked_for(
    service: Aggregator,
) -> None:
    disk = Disk()
    talk(agent(Reading((), disk), disk), service, random.Random(4))
    task = Reading(BLOBS)
    again = begun(service, task, disk)
    for frame in again.outgoing():
        for answer in service.receive(1, frame):
            again.receive(answer)
    disk.files[f"outbox/blob-{NAMES[20].hex()}"] = b"damaged"
    again.step()
    assert task.read == list(BLOBS[:20])
    frames = again.outgoing()
    assert frames == [BlobRequest(NAMES[20], 0)]
    for answer in service.receive(1, frames[0]):
        again.receive(answer)
    again.step()
    assert task.read == list(BLOBS)
    assert again.outgoing() == []


class Asking(Reading):
    """A task that finds out that it needs a vector when it is asked what is due."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def due(self) -> Draft | None:
        self.asked += 1
        if self.asked == 1:
            self.left = [(blob_name(blob), len(blob)) for blob in BLOBS]
        return (
            Draft("study/cardio/1", SetLock(bytes(32))) if self.asked == 2 and self.read else None
        )


def test_what_a_task_needs_for_its_next_post_is_handed_over_in_the_same_step(
    service: Aggregator,
) -> None:
    disk = Disk()
    talk(agent(Reading((), disk), disk), service, random.Random(4))
    task = Asking()
    member = agent(task, disk)
    member.connected(Welcome(*service.board.head))
    for answer in service.receive(1, Subscribe(0)):
        member.receive(answer)
    member.step()
    assert task.read == list(BLOBS)
    assert isinstance(member.outgoing()[-1], Submit)
    talk(member, service, random.Random(5))
    assert service.board.entries[-1].post.body == SetLock(bytes(32))
    assert disk.names("outbox/") == []


def test_own_blobs_are_read_from_the_own_outbox(service: Aggregator) -> None:
    disk = Disk()
    task = Reading((), disk)
    member = begun(service, task, disk)
    member.outgoing()
    task.left = [(NAMES[5], len(BLOBS[5]))]
    member.step()
    assert task.read == [BLOBS[5]]
    assert member.outgoing() == []
