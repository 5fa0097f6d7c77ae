"""An agent's dealings with the aggregator: what it trusts, and what stops it."""

from pathlib import Path

import pytest

from participant.agent.outbox import Outbox
from participant.agent.set_ledger import SetLedger
from participant.errors import DamagedFile, IdentityInUse, RejectedByAggregator
from protocol.board.draft import Draft
from protocol.errors import Fork
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Join, Step
from protocol.messages.fields import MAX_INLINE_BYTES
from protocol.wire.frames import Rejected, Welcome
from tests.simulator.disk import Disk
from tests.stage.saying import BIG, agent, aggregator, connect, proposed, proposing


def test_what_is_due_ends_on_the_board_with_its_blob(tmp_path: Path) -> None:
    service = aggregator(tmp_path)
    body = Step("units", 0, 0, (attach(BIG),))
    assert len(BIG) > MAX_INLINE_BYTES
    first = agent(1, None, Draft("ceremony/1", body, (BIG,)))
    connect(first, service)
    assert first.done
    second = agent(2)
    connect(second, service)
    ((posted, payloads),) = second.task.heard
    assert posted.post.body == body
    assert payloads == {0: BIG}


def test_after_a_crash_the_same_bytes_are_sent_again(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path), Disk()
    first = agent(1, disk, proposing(1))
    first.connected(Welcome(*service.board.head))
    first.receive(service.entries_after(0))
    first.step()
    said = first.outgoing()[-1]  # and then the process dies
    again = agent(1, disk, proposing(2))
    connect(again, service)
    assert proposed(service, 1) == [1, 2]
    assert said.post.digest == service.board.entries[0].digest


def test_a_board_shorter_than_before_is_a_fork(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path / "a"), Disk()
    connect(agent(1, disk, proposing(1), Draft("ceremony/1", Join(b"k", bytes(32)))), service)
    with pytest.raises(Fork):
        agent(1, disk).connected(Welcome(0, aggregator(tmp_path / "b").board.head.hash))


def test_another_board_of_the_same_length_is_a_fork(tmp_path: Path) -> None:
    one, other = aggregator(tmp_path / "a"), aggregator(tmp_path / "b")
    first = agent(1, None, proposing(1))
    connect(first, one)
    connect(agent(2, None, proposing(2)), other)
    first.disconnected()
    first.connected(Welcome(*other.board.head))
    with pytest.raises(Fork):
        first.step()


def test_a_board_that_contradicts_ones_last_post_is_a_fork_after_a_restart(tmp_path: Path) -> None:
    one, other, disk = aggregator(tmp_path / "a"), aggregator(tmp_path / "b"), Disk()
    for service, number in ((one, 1), (other, 2)):
        connect(agent(2, None, proposing(number)), service)
    connect(agent(1, disk, proposing(3)), one)
    connect(agent(3, None, proposing(3)), other)
    with pytest.raises(Fork):
        connect(agent(1, disk), other)


def test_a_board_without_ones_last_post_is_a_fork_after_a_restart(tmp_path: Path) -> None:
    one, other, disk = aggregator(tmp_path / "a"), aggregator(tmp_path / "b"), Disk()
    connect(agent(1, disk, proposing(1)), one)
    connect(agent(2, None, proposing(2)), other)
    with pytest.raises(Fork):
        connect(agent(1, disk), other)


def test_a_post_of_ones_own_that_one_did_not_make_stops_the_agent(tmp_path: Path) -> None:
    service = aggregator(tmp_path)
    first, twin = agent(1), agent(1, None, proposing(1))
    connect(first, service)
    connect(twin, service)
    with pytest.raises(IdentityInUse) as caught:
        first.receive(service.entries_after(first.board.head.position))
    assert caught.value.session == "study/s1"


def test_a_rejection_stops_the_agent_with_its_code(tmp_path: Path) -> None:
    first = agent(1)
    with pytest.raises(RejectedByAggregator) as caught:
        first.receive(Rejected("bad-post", "no"))
    assert caught.value.code == "bad-post"


def test_a_damaged_outbox_is_named_instead_of_forgotten() -> None:
    disk = Disk()
    disk.write("outbox/post", b"\x93garbage")
    with pytest.raises(DamagedFile):
        Outbox(disk)


def test_a_missing_blob_in_the_outbox_is_named(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path), Disk()
    first = agent(1, disk, Draft("ceremony/1", Step("units", 0, 0, (attach(BIG),)), (BIG,)))
    first.connected(Welcome(*service.board.head))
    first.step()
    (name,) = disk.names("outbox/blob-")
    disk.files[name] = disk.files[name][:-1]
    with pytest.raises(DamagedFile):
        Outbox(disk)


def test_a_hospital_helps_with_one_set_of_a_round_for_ever() -> None:
    disk = Disk()
    assert SetLedger(disk).choose("study/cardio/1", b"a" * 32)
    assert SetLedger(disk).choose("study/cardio/1", b"a" * 32)
    assert not SetLedger(disk).choose("study/cardio/1", b"b" * 32)
    assert SetLedger(disk).choose("study/cardio/2", b"b" * 32)


def test_an_entry_that_was_another_one_before_is_a_fork(tmp_path: Path) -> None:
    one, other = aggregator(tmp_path / "a"), aggregator(tmp_path / "b")
    first = agent(1)
    for service, number in ((one, 1), (other, 2)):
        connect(agent(2, None, proposing(number)), service)
    connect(first, one)
    with pytest.raises(Fork) as caught:
        first.receive(other.entries_after(0))
    assert caught.value.position == 1
