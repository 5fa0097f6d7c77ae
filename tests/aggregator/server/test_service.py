"""The core: what is acknowledged is on the board, once, and survives."""

import itertools
import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from aggregator.errors import StoreDamaged, StoreFull
from protocol.board.board import Board
from protocol.board.post import decode_entry
from protocol.encoding import encode
from protocol.messages.attachment import Attachment, attach, blob_name
from protocol.messages.ceremony import Certificate, Join
from protocol.messages.rounds import Contribution
from protocol.wire.frames import (
    CHUNK_BYTES,
    MAX_PAGE_BYTES,
    REQUESTED_BYTES,
    Accepted,
    BlobAbsent,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Entries,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
)
from tests.stage.desk import Desk, code, federation
from tests.stage.mortal import survived


def test_a_post_is_accepted_at_its_position_and_again_at_the_same(desk: Desk) -> None:
    first = desk.say(1, "ceremony/1", Join(b"k", bytes(32)))
    desk.say(2, "ceremony/1", Join(b"k", bytes(32)))
    for _ in range(2):
        assert desk.ask(1, Submit(first)) == Accepted(first.digest, 1)
        desk.restart()
    assert desk.service.board.head.position == 2


def test_another_post_of_the_same_number_is_equivocation(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k", bytes(32)))
    other = desk.sign(1, "ceremony/1", Join(b"other", bytes(32)), sequence=0)
    answer = desk.ask(1, Submit(other))
    assert code(answer) == "bad-post"
    assert "another post" in answer.reason
    assert desk.service.board.head.position == 1


def test_nobody_posts_for_somebody_else(desk: Desk) -> None:
    post = desk.sign(2, "ceremony/1", Join(b"k", bytes(32)))
    assert code(desk.ask(1, Submit(post))) == "not-allowed"
    for_the_aggregator = desk.sign(0, "ceremony/1", Join(b"k", bytes(32)))
    assert code(desk.ask(1, Submit(for_the_aggregator))) == "not-allowed"


def test_a_post_with_anothers_signature_is_refused(desk: Desk) -> None:
    post = desk.sign(1, "ceremony/1", Join(b"k", bytes(32)))
    other = desk.sign(2, "ceremony/1", Join(b"k", bytes(32)))
    forged = type(post)(post.post, other.signature)
    assert code(desk.ask(1, Submit(forged))) == "bad-post"


def test_a_post_of_another_federation_is_refused(desk: Desk) -> None:
    post = desk.sign(1, "ceremony/1", Join(b"k", bytes(32)), federation=b"x" * 32)
    assert code(desk.ask(1, Submit(post))) == "bad-post"


def test_a_post_of_another_session_cannot_be_replayed(desk: Desk) -> None:
    signed = desk.sign(1, "study/age", desk.statistic("age").plan)
    text = signed.post.replace(b"study/age", b"study/agt")
    assert text != signed.post
    assert code(desk.ask(1, Submit(type(signed)(text, signed.signature)))) == "bad-post"


def test_a_gap_in_a_senders_numbers_is_refused(desk: Desk) -> None:
    post = desk.sign(1, "ceremony/1", Join(b"k", bytes(32)), sequence=1)
    assert code(desk.ask(1, Submit(post))) == "bad-post"


@pytest.mark.parametrize("position", [0, 1, 7])
def test_a_member_that_saw_another_board_is_told_of_the_fork(desk: Desk, position: int) -> None:
    desk.say(1, "ceremony/1", Join(b"k", bytes(32)))
    post = desk.sign(2, "ceremony/1", Join(b"k", bytes(32)), seen_position=position, seen=b"x" * 32)
    assert code(desk.ask(2, Submit(post))) == "fork"


def test_a_member_that_saw_more_entries_is_told_of_the_fork(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k", bytes(32)))
    assert code(desk.ask(2, Subscribe(2))) == "fork"
    assert desk.ask(2, Subscribe(1)) == Entries((), 1)


def test_bytes_that_are_no_post_are_refused(desk: Desk) -> None:
    signed = desk.sign(1, "ceremony/1", Join(b"k", bytes(32)))
    assert code(desk.ask(1, Submit(type(signed)(b"\xc1garbage", signed.signature)))) == "malformed"


def test_a_post_waits_for_its_blobs(desk: Desk) -> None:
    desk.open_training(length=200_000)
    blob = os.urandom(CHUNK_BYTES + 5_000)
    post = desk.sign(1, "study/cardio/1", Contribution(bytes(32), attach(blob)))
    assert code(desk.ask(1, Submit(post))) == "awaited-blob"
    desk.upload(1, blob)
    assert isinstance(desk.ask(1, Submit(post)), Accepted)


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment(0, 3, blob_name(b"abc"), b"abd"),
        Attachment(0, 4, blob_name(b"abc"), b"abc"),
        Attachment(0, 3, blob_name(b"abc"), b""),
        Attachment(0, 5_000, blob_name(bytes(5_000)), b"abc"),
    ],
)
def test_an_attachment_that_is_not_what_it_says_is_refused(
    desk: Desk, attachment: Attachment
) -> None:
    desk.open_training()
    desk.upload(1, bytes(5_000))
    post = desk.sign(1, "study/cardio/1", Contribution(bytes(32), attachment))
    assert code(desk.ask(1, Submit(post))) == "bad-post"


def test_a_blob_comes_back_in_chunks(desk: Desk) -> None:
    blob, found = os.urandom(REQUESTED_BYTES + CHUNK_BYTES + 1), b""
    desk.upload(1, blob)
    counts = []
    while len(found) < len(blob):
        answers = desk.service.receive(2, BlobRequest(blob_name(blob), len(found)))
        counts.append(len(answers))
        for answer in answers:
            assert isinstance(answer, BlobChunk)
            assert (answer.offset, answer.size) == (len(found), len(blob))
            found += answer.data
    assert found == blob
    assert counts == [REQUESTED_BYTES // CHUNK_BYTES, 2]
    (answer,) = desk.service.receive(2, BlobRequest(blob_name(blob), len(blob)))
    assert isinstance(answer, BlobChunk)
    assert answer.data == b""
    assert desk.ask(2, BlobRequest(b"x" * 32, 0)) == BlobAbsent(b"x" * 32)
    assert code(desk.ask(2, BlobRequest(blob_name(blob), len(blob) + 1))) == "malformed"


def test_an_upload_with_a_wrong_name_is_refused_and_forgotten(desk: Desk) -> None:
    blob, name = os.urandom(5_000), blob_name(b"another")
    assert code(desk.ask(1, BlobChunk(name, len(blob), 0, blob))) == "malformed"
    assert desk.ask(1, BlobOffer(name, len(blob))) == BlobHave(name, 0, len(blob), True)


def test_entries_come_in_frames_that_can_be_sent(desk: Desk) -> None:
    for k in range(8):
        for member in desk.federation.members:
            labels = tuple(os.urandom(32).hex() for _ in range(900))
            study = desk.statistic(f"s{k}-{member}", len(labels), labels=labels)
            desk.say(member, study.session, study.plan)
    head = desk.service.board.head.position
    frame = desk.service.entries_after(0)
    assert 0 < len(frame.entries) < head == frame.head
    assert len(encode(frame)) <= MAX_PAGE_BYTES + 4_096
    board = Board(desk.federation.terms)
    for data in desk.all_entries():
        board.append(decode_entry(data))
    assert board.head == desk.service.board.head


def test_the_status_can_be_asked_for(desk: Desk) -> None:
    assert isinstance(desk.ask(1, StatusRequest()), StatusReport)


def test_a_restart_changes_nothing(desk: Desk) -> None:
    desk.open_training(length=700)
    desk.contribute(1, "study/cardio/1")
    before, status = desk.all_entries(), desk.service.status({})
    desk.restart()
    assert desk.all_entries() == before
    assert desk.service.status({}) == status
    assert not desk.service.tick()


def test_what_the_disk_refuses_is_not_acknowledged_and_may_come_again(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k", bytes(32)))
    database: sqlite3.Connection = desk.service._store._database._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    post = desk.sign(2, "ceremony/1", Join(bytes(2_000), bytes(32)))
    with pytest.raises(StoreFull):  # noqa: PT012
        for _ in range(10):
            assert isinstance(desk.ask(2, Submit(post)), Accepted)
            post = desk.sign(2, "ceremony/1", Join(bytes(2_000), bytes(32)))
    held = desk.service.board.head
    database.execute("PRAGMA max_page_count = 100000")
    assert desk.ask(2, Submit(post)) == Accepted(post.digest, held.position + 1)
    assert desk.restart().board.head.position == held.position + 1


def test_time_that_goes_backwards_neither_shows_on_the_board_nor_stops_a_round(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, federation(n=4))
    desk.open_training()
    desk.fill("study/cardio/1", 1, 2, 4)
    desk.time_ms -= 86_400_000
    desk.restart()
    assert not desk.wait(1)
    assert desk.wait()  # as long as it would have been
    assert desk.contributors("study/cardio/1") == [1, 2, 4]
    times = [posted.time_ms for posted in desk.service.board.entries]
    assert times == sorted(times)


def test_certificates_of_something_that_is_no_key_open_nothing(desk: Desk) -> None:
    desk.join()
    for member in desk.federation.members:
        desk.say(member, "ceremony/1", Certificate(bytes(32), b"no epoch"))
    study = desk.found(desk.training())
    desk.state(study.round(0), desk.federation.members)
    assert not desk.service.tick()
    assert desk.restart().epoch is None


def test_a_board_of_another_federation_is_not_served(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k", bytes(32)))
    desk.federation = federation(name="Another")
    with pytest.raises(StoreDamaged) as caught:
        desk.restart()
    assert "another federation" in caught.value.reason


def test_a_folder_that_cannot_be_written_is_an_error_about_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreFull) as caught:
        Desk(tmp_path / "data")
    assert caught.value.path == tmp_path / "data"


# ── death at every durable point ──


def a_round(desk: Desk, payloads: dict[int, bytes], acknowledged: list[bytes]) -> None:
    """Three hospitals contribute a blob each, and the round closes; what was accepted is noted."""
    for member in (1, 2, 4):
        view = desk.service.rounds.views["study/cardio/1"]
        if member in view.contributions:
            continue
        assert view.opening is not None
        desk.upload(member, payloads[member])
        body = Contribution(view.opening.digest, attach(payloads[member]))
        signed = desk.sign(member, "study/cardio/1", body)
        assert isinstance(desk.ask(member, Submit(signed)), Accepted)
        acknowledged.append(signed.digest)
    desk.wait()


def test_death_at_any_durable_point_loses_nothing_acknowledged(tmp_path: Path) -> None:
    payloads = dict[int, bytes]()
    for dies_at in itertools.count(1):
        desk = Desk(tmp_path / str(dies_at), federation(n=4))
        desk.open_training(length=700)
        payloads = payloads or {m: desk.payload("study/cardio/1", m) for m in (1, 2, 4)}
        acknowledged: list[bytes] = []
        is_last = survived(partial(a_round, desk, payloads, acknowledged), dies_at)
        desk.service.close()
        desk.restart()
        assert set(acknowledged) <= {p.digest for p in desk.service.board.entries}
        a_round(desk, payloads, acknowledged)
        assert desk.contributors("study/cardio/1") == [1, 2, 4]
        sessions = [p.post.sender for p in desk.service.board.session("study/cardio/1")]
        assert sessions == [0, 1, 2, 4, 0]  # one opening, three contributions, one closing
        desk.service.close()
        if is_last:
            break
    assert dies_at > 40


def test_acknowledged_bytes_of_a_blob_survive_death_at_any_sync(tmp_path: Path) -> None:
    blob, held = os.urandom(3 * CHUNK_BYTES), 0
    name = blob_name(blob)

    def upload() -> None:
        nonlocal held
        while held < len(blob):
            data = blob[held : held + CHUNK_BYTES]
            answer = desk.ask(1, BlobChunk(name, len(blob), held, data))
            assert isinstance(answer, BlobHave)
            held = answer.offset

    for dies_at in itertools.count(1):
        desk, held = Desk(tmp_path / str(dies_at)), 0
        is_last = survived(upload, dies_at)
        desk.restart()
        answer = desk.ask(1, BlobOffer(name, len(blob)))
        assert isinstance(answer, BlobHave)
        assert answer.offset >= held
        assert desk.upload(1, blob) == len(blob)
        if is_last:
            return
