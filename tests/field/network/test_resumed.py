"""Connections that break in the middle of large blobs: what is sent again, and what is not."""

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from participant.agent.agent import Agent
from participant.agent.outbox import store_blob
from participant.agent.pace import (
    FIRST_BYTES,
    FIRST_SHARE,
    LATER_SHARE,
    LEAST_BYTES,
    MOST_BYTES,
    Pace,
)
from participant.agent.transfer import Downloads, Uploads
from participant.network import session as sessions
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.messages.attachment import attach, blob_name
from protocol.messages.rounds import Contribution
from protocol.wire.frames import (
    CHUNK_BYTES,
    REQUESTED_BYTES,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    FromMember,
    Rejected,
    Welcome,
)
from tests.simulator.disk import Disk
from tests.stage.consortium import found, free_port, run_all
from tests.stage.fake_proxy import serving
from tests.stage.saying import FEDERATION, Saying, aggregator

BREAKS = 20
VECTOR_CHUNK = 768 << 10
BLOBS = tuple(random.Random(k).randbytes(VECTOR_CHUNK) for k in range(8))
TOTAL = sum(map(len, BLOBS))
VECTOR = Contribution(bytes(32), attach(b""), tuple(map(blob_name, BLOBS)))


def again(first: int) -> int:
    """The most that may be sent again: of the first break, after so many bytes, and of the others.

    Those cost half a chunk each, and a part of what the connection had brought before.
    """
    return first // FIRST_SHARE + FIRST_BYTES + BREAKS * LEAST_BYTES + 2 * TOTAL // LATER_SHARE


class Vector(Saying):
    """Says one vector of large blobs; ``seen`` when it is on the board."""

    done = False

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk: Disk | None = disk

    def due(self) -> Draft | None:
        if (disk := self.disk) is None:
            self.done = True
            return None
        self.disk = None
        return Draft(
            "study/cardio/1", VECTOR, stored=tuple(store_blob(disk, blob) for blob in BLOBS)
        )


@pytest.fixture(autouse=True)
def no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """No round is open here, so that nobody has a budget for these posts."""
    monkeypatch.setattr(Board, "excess", lambda board, post, time_ms: "")
    monkeypatch.setattr(Board, "chunk_excess", lambda board, post, size_of: "")


def agent(disk: Disk) -> Agent:
    return Agent(FEDERATION.terms, 1, FEDERATION.keys[1], disk, Vector(disk))


class Line:
    """Passes frames on in order, and is cut after so many bytes of blobs; counts what was sent."""

    def __init__(self, member: Agent) -> None:
        self.member, self.sent = member, 0
        self._on_way: deque[FromMember] = deque()

    def carry(self, service: Aggregator, size: int) -> None:
        self.member.connected(Welcome(*service.board.head))
        arrived = 0
        while arrived < size and not self.member.done:
            self.member.step()
            self._leave()
            if not self._on_way:
                self.member.nudge()  # as after a silence: here nobody tells what is new
                self._leave()
            frame = self._on_way.popleft()
            arrived += len(frame.data) if isinstance(frame, BlobChunk) else 0
            for answer in service.receive(1, frame):
                self.member.receive(answer)
            self._leave()
        self._on_way.clear()
        self.member.disconnected()

    def _leave(self) -> None:
        assert 0 <= self.member.transfer.bytes_sent_of_blobs <= self.member.transfer.bytes_to_send
        for frame in self.member.outgoing():
            if isinstance(frame, BlobChunk):  # none is so short that its frame costs more
                assert len(frame.data) >= min(LEAST_BYTES, frame.size - frame.offset)
                self.sent += len(frame.data)
            self._on_way.append(frame)


def cuts(seed: int) -> list[int]:
    """Bytes after which a line is cut: random points of one upload."""
    drawn = random.Random(seed)
    points = sorted(drawn.randrange(TOTAL) for _ in range(BREAKS))
    return [*(b - a for a, b in itertools.pairwise([0, *points])), 10 * TOTAL]


@pytest.mark.parametrize("seed", range(2))
def test_a_line_that_breaks_twenty_times_makes_little_be_sent_again(
    tmp_path: Path, seed: int
) -> None:
    service, member = aggregator(tmp_path), agent(Disk())
    line = Line(member)
    for size in cuts(seed):
        line.carry(service, size)
    assert member.done
    assert [posted.post.body for posted in service.board.entries] == [VECTOR]
    assert all(service._blobs.read(blob_name(blob)) == blob for blob in BLOBS)
    assert TOTAL <= line.sent <= TOTAL + again(cuts(seed)[0])


def test_an_aggregator_that_dies_twenty_times_keeps_what_it_has_of_each_blob(
    tmp_path: Path,
) -> None:
    seed = 7
    service, line = aggregator(tmp_path), Line(agent(Disk()))
    for size in cuts(seed):
        line.carry(service, size)
        service._store.close()  # nothing else of it outlives a kill
        service = aggregator(tmp_path)
    assert [posted.post.body for posted in service.board.entries] == [VECTOR]
    assert TOTAL <= line.sent <= TOTAL + again(cuts(seed)[0])


def test_a_hospital_that_dies_sends_only_the_rest(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path), Disk()
    sent = 0
    for size in cuts(1):
        if service.board.entries:
            break
        key = FEDERATION.keys[1]
        is_made = bool(disk.names("outbox/post"))
        member = Agent(FEDERATION.terms, 1, key, disk, Saying()) if is_made else agent(disk)
        line = Line(member)
        line.carry(service, size)
        sent += line.sent
    assert [posted.post.body for posted in service.board.entries] == [VECTOR]
    assert sent <= TOTAL + again(cuts(1)[0])


# ── the pace ──


def test_more_is_on_its_way_the_longer_and_faster_a_line_holds() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.room == FIRST_BYTES
    pace.brought(FIRST_SHARE * 1_000_000)
    assert pace.room == FIRST_BYTES + 1_000_000
    pace.brought(FIRST_SHARE * 100_000_000)
    assert pace.room == MOST_BYTES
    now[0] = 2.0
    pace.brought(50_000)
    assert pace.room == FIRST_BYTES + 50_000, "a slow line has no queue of minutes"


def test_after_a_break_an_upload_goes_on_with_the_least_and_grows_slowly() -> None:
    pace = Pace(lambda: 0.0)
    pace.brought(100_000_000)
    pace.broke()
    assert pace.room == LEAST_BYTES
    pace.brought(LATER_SHARE * 1_000_000)
    assert pace.room == LEAST_BYTES + 1_000_000
    pace.ended()
    assert pace.room > FIRST_BYTES


def test_no_more_is_on_its_way_than_the_pace_has_room_for() -> None:
    blobs = {blob_name(blob): blob for blob in BLOBS}
    uploads = Uploads(blobs.get, lambda: 0.0)
    frames = uploads.start({name: len(blob) for name, blob in blobs.items()})
    assert sum(len(f.data) for f in frames if isinstance(f, BlobChunk)) == FIRST_BYTES


def test_while_the_aggregator_takes_nothing_nothing_is_sent_until_the_next_offers() -> None:
    """Or else each answer to a chunk that came behind a refused one would bring the next."""
    blob = BLOBS[0]
    name, size = blob_name(blob), len(blob)
    uploads = Uploads({name: blob}.get)
    uploads.start({name: size})
    uploads.pause()
    answers = uploads.acknowledged(BlobHave(name, 0, size, False))
    assert answers == [BlobOffer(name, size)]
    assert uploads.acknowledged(BlobHave(name, 0, size, True)) == []
    (offer,) = uploads.offers()
    assert offer == BlobOffer(name, size)
    first, *_ = uploads.acknowledged(BlobHave(name, 0, size, True))
    assert isinstance(first, BlobChunk)


def test_a_pause_between_two_blobs_does_not_last_for_ever() -> None:
    blobs = {blob_name(blob): blob for blob in (os.urandom(100) for _ in range(20))}
    uploads = Uploads(blobs.get)
    begun = uploads.start({name: len(blob) for name, blob in blobs.items()})
    uploads.pause()
    for frame in begun:
        assert uploads.acknowledged(BlobHave(frame.digest, frame.size, frame.size, False)) == []
    assert len(uploads.offers()) == len(blobs) - len(begun)


def test_many_chunks_behind_a_lost_one_are_answered_with_one_offer() -> None:
    blob = BLOBS[0]
    name, size = blob_name(blob), len(blob)
    uploads = Uploads({name: blob}.get)
    sent = uploads.start({name: size})
    said = [
        frame for _ in sent[1:] for frame in uploads.acknowledged(BlobHave(name, 0, size, False))
    ]
    assert said == [BlobOffer(name, size)]
    again = uploads.acknowledged(BlobHave(name, 0, size, True))
    assert again == sent


# ── downloads ──


def test_a_download_goes_on_within_what_one_request_brings() -> None:
    blob = BLOBS[0]
    name = blob_name(blob)
    downloads = Downloads()
    assert downloads.want(name, len(blob)) == BlobRequest(name, 0)
    for k in range(3):  # then the line breaks
        chunk = blob[k * CHUNK_BYTES : (k + 1) * CHUNK_BYTES]
        assert downloads.received(BlobChunk(name, len(blob), k * CHUNK_BYTES, chunk)) is None
    (request,) = downloads.requests()
    assert request == BlobRequest(name, 3 * CHUNK_BYTES)


def test_one_request_brings_a_whole_chunk_of_a_vector(tmp_path: Path) -> None:
    service = aggregator(tmp_path)
    name = service._blobs.put(BLOBS[0])
    assert REQUESTED_BYTES >= 896 << 10, "a chunk of hybrid-s2"
    answers = service.receive(1, BlobRequest(name, 5))
    assert b"".join(a.data for a in answers if isinstance(a, BlobChunk)) == BLOBS[0][5:]


# ── whose bytes ──


def test_nobody_goes_on_with_anothers_upload(tmp_path: Path) -> None:
    service, name, size = aggregator(tmp_path), blob_name(BLOBS[0]), VECTOR_CHUNK
    wrong = bytes(CHUNK_BYTES)
    service.receive(2, BlobChunk(name, size, 0, wrong))
    assert service.receive(1, BlobOffer(name, size)) == [BlobHave(name, 0, size, True)]
    for k in range(0, size, CHUNK_BYTES):
        (answer,) = service.receive(1, BlobChunk(name, size, k, BLOBS[0][k : k + CHUNK_BYTES]))
    assert answer == BlobHave(name, size, size, False)
    assert service._blobs.read(name) == BLOBS[0]


def test_bytes_without_their_name_are_dropped_when_they_are_complete(tmp_path: Path) -> None:
    service, name = aggregator(tmp_path), blob_name(b"another")
    service.receive(1, BlobChunk(name, 2_000, 0, bytes(1_000)))
    (answer,) = service.receive(1, BlobChunk(name, 2_000, 1_000, bytes(1_000)))
    assert isinstance(answer, Rejected)
    assert service.receive(1, BlobOffer(name, 2_000)) == [BlobHave(name, 0, 2_000, True)]


KILLED = """
import sys
from pathlib import Path
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from protocol.messages.attachment import blob_name
folder = Path(sys.argv[1])
blobs, blob = BlobStore(folder, BoardStore(folder)), bytes(768 << 10)
for k in range(0, 5 << 17, 1 << 17):
    print(blobs.add(1, blob_name(blob), len(blob), k, blob[k : k + (1 << 17)]), flush=True)
sys.stdin.read()
"""


def test_what_was_acknowledged_of_a_blob_survives_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(5)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    blob = bytes(VECTOR_CHUNK)
    again = BlobStore(tmp_path, BoardStore(tmp_path))
    assert again.have(1, blob_name(blob), len(blob)) == acknowledged[-1] == 5 * CHUNK_BYTES


def test_a_torn_end_after_a_power_cut_is_sent_again(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path), Disk()
    line = Line(agent(disk))
    line.carry(service, 3 * CHUNK_BYTES)
    service._store.close()
    (part,) = (tmp_path / "incoming").iterdir()
    part.write_bytes(part.read_bytes()[:-CHUNK_BYTES] + bytes(CHUNK_BYTES))
    service = aggregator(tmp_path)
    line.carry(service, 2 * TOTAL)
    assert [posted.post.body for posted in service.board.entries] == [VECTOR]
    assert line.sent <= TOTAL + again(3 * CHUNK_BYTES) + VECTOR_CHUNK


# ── over sockets ──


def test_an_upload_over_sockets_that_break_goes_on_where_they_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 0.02)
    consortium = found(tmp_path)
    target = free_port()
    drawn, passed = random.Random(5), list[int]()

    def cutting(connected: socket.socket) -> None:
        """Passes on, and hangs up after some bytes of the hospital's."""
        left = drawn.randrange(TOTAL // 10) if len(passed) < BREAKS else 10 * TOTAL
        passed.append(0)
        k = len(passed) - 1
        far = socket.create_connection(("127.0.0.1", target))
        threading.Thread(target=pump_one, args=(far, connected), daemon=True).start()
        while passed[k] < left and (data := connected.recv(65_536)):
            passed[k] += len(data)
            far.sendall(data)
        far.close()

    relay = replace(consortium.relay, port=target)
    disk = Disk()
    session = consortium.session(1)
    member = consortium.member(1)
    session.agent = Agent(consortium.terms, 1, member.identity.signing_key, disk, Vector(disk))
    with relay.running(), serving(cutting, consortium.relay.port):
        assert run_all([session], seconds=30) == [None]
        assert all(relay.core._blobs.size(blob_name(blob)) == len(blob) for blob in BLOBS)
    assert len(passed) > BREAKS
    said_besides = 20_000  # TLS and other frames, of each connection
    assert sum(passed) < TOTAL + again(passed[0]) + len(passed) * said_besides


def pump_one(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
