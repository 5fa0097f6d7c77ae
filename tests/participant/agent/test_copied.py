"""An agent that begins with its own copy of the board, and what it still notices."""

from pathlib import Path
from unittest import mock

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.checkpoint import CHECKPOINT_NAME
from participant.agent.outbox import Outbox
from participant.agent.set_back import SetBack
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.board.copy import BoardCopy
from participant.errors import IdentityInUse
from protocol.board.draft import Draft
from protocol.board.post import Entry
from protocol.errors import Fork
from protocol.signing import verify
from protocol.wire.frames import Subscribe, Welcome
from tests.simulator.disk import Disk
from tests.stage.saying import FEDERATION, Saying, aggregator, connect, proposed, proposing

TOLD: list[SetBack] = []


def copied(disk: Disk, *drafts: Draft, index: int = 1, task: Task | Tasks | None = None) -> Agent:
    """A hospital's agent as a new process would start it."""
    copy = BoardCopy(disk, bytes([index]) * 32, FEDERATION.terms.federation)
    place = FEDERATION.terms, index, FEDERATION.keys[index], disk
    return Agent(*place, task or Saying(*drafts), TOLD.append, copy)


def asked(member: Agent) -> list[int]:
    """After which entries it asks for more."""
    return [frame.after for frame in member.outgoing() if isinstance(frame, Subscribe)]


def grown(folder: Path, disk: Disk, n: int = 3) -> Aggregator:
    """A board of so many plans of hospital 2, which hospital 1 has read."""
    service = aggregator(folder)
    connect(copied(Disk(), *map(proposing, range(n)), index=2), service)
    connect(copied(disk), service)
    return service


def test_it_asks_for_what_is_new_alone_and_checks_no_signature_again(tmp_path: Path) -> None:
    disk = Disk()
    service = grown(tmp_path, disk)
    connect(copied(Disk(), proposing(3), index=2), service)
    with mock.patch("protocol.board.board.verify", wraps=verify) as verified:
        member = copied(disk)
        assert member.board.head.position == 3
        member.connected(Welcome(*service.board.head))
        assert asked(member) == [3]
        connect(member, service)
    assert member.board.head == service.board.head
    assert verified.call_count == 1
    heard = member.task
    assert isinstance(heard, Saying)
    assert [posted.position for posted, _ in heard.heard] == [1, 2, 3, 4]


def test_without_a_copy_it_reads_the_board_from_the_aggregator(tmp_path: Path) -> None:
    disk = Disk()
    service = grown(tmp_path, disk)
    disk.files["board/1-3"] = b"?"
    member = copied(disk)
    member.connected(Welcome(*service.board.head))
    assert asked(member) == [0]
    connect(member, service)
    assert member.board.head == service.board.head
    assert copied(disk).board.head == service.board.head  # it was stored anew


def test_a_long_board_is_stored_while_it_is_read(tmp_path: Path) -> None:
    """Of a link that breaks, what came is not fetched again."""
    service, disk = aggregator(tmp_path), Disk()
    connect(copied(Disk(), *map(proposing, range(9)), index=2), service)
    with mock.patch("participant.board.copy.SELDOM", 4):
        member = copied(disk)
        member.connected(Welcome(*service.board.head))
        frame = service.entries_after(0)
        member.receive(type(frame)(frame.entries[:6], frame.head))
        member.step()
    assert copied(disk).board.head.position == 6


# ── a board that is another one ──


def test_a_fork_against_the_copy_is_found(tmp_path: Path) -> None:
    """Also by a hospital that has said nothing yet, so that it has noted no head."""
    disk = Disk()
    grown(tmp_path / "one", disk)
    assert CHECKPOINT_NAME not in disk.files
    other = aggregator(tmp_path / "other")
    connect(copied(Disk(), *map(proposing, range(4, 9)), index=3), other)
    member = copied(disk)
    with pytest.raises(Fork) as found:
        connect(member, other)
    assert found.value.position == 4
    with pytest.raises(Fork):  # and again, whenever it is shown
        connect(copied(disk), other)


def test_a_board_of_the_same_length_with_another_head_is_a_fork(tmp_path: Path) -> None:
    disk = Disk()
    grown(tmp_path / "one", disk)
    other = aggregator(tmp_path / "other")
    connect(copied(Disk(), *map(proposing, range(3)), index=3), other)
    with pytest.raises(Fork, match="announced"):
        connect(copied(disk), other)


def test_a_board_that_is_shorter_than_the_copy_is_a_fork(tmp_path: Path) -> None:
    disk = Disk()
    grown(tmp_path / "one", disk)
    with pytest.raises(Fork, match="3 entries before"):
        connect(copied(disk), aggregator(tmp_path / "other"))


def test_a_copy_that_was_exchanged_with_the_folders_head_still_there_is_a_fork(
    tmp_path: Path,
) -> None:
    """The head that was noted when it last spoke is compared with the copy, too."""
    disk, other = Disk(), Disk()
    service = grown(tmp_path / "one", disk)
    connect(copied(disk, proposing(7)), service)
    elsewhere = grown(tmp_path / "other", other, 9)
    files = {n: d for n, d in other.files.items() if n.startswith("board/")}
    disk.files = {n: d for n, d in disk.files.items() if not n.startswith("board/")} | files
    with pytest.raises(Fork, match="last spoke"):
        connect(copied(disk), elsewhere)


# ── own posts ──


def test_an_own_post_that_only_the_copy_shows_is_known_as_the_one_on_its_way(
    tmp_path: Path,
) -> None:
    """It was stored with the copy, and then the process died before it let go of the post."""
    service, disk = aggregator(tmp_path), Disk()
    member = copied(disk, proposing(1))
    member.connected(Welcome(*service.board.head))
    member.step()
    for frame in member.outgoing():
        service.receive(1, frame)
    member.receive(service.entries_after(0))
    assert member.copy is not None
    member.copy.save(member.board)
    assert Outbox(disk).pending is not None
    TOLD.clear()
    again = copied(disk, proposing(2))
    connect(again, service)
    assert again.done
    assert proposed(service, 1) == [1, 2]
    assert not TOLD
    assert Outbox(disk).pending is None


def test_a_folder_that_went_back_in_time_is_noticed_with_a_copy_that_did_not(
    tmp_path: Path,
) -> None:
    service, disk = aggregator(tmp_path), Disk()
    connect(copied(disk, proposing(1)), service)
    before = {n: d for n, d in disk.files.items() if not n.startswith("board/")}
    connect(copied(disk, proposing(2), proposing(3)), service)
    connect(copied(disk), service)
    disk.files = {n: d for n, d in disk.files.items() if n.startswith("board/")} | before
    TOLD.clear()
    connect(copied(disk), service)
    assert [SetBack(2, 3)] == TOLD


def test_an_own_post_that_comes_later_still_means_another_copy_of_the_identity(
    tmp_path: Path,
) -> None:
    disk = Disk()
    service = grown(tmp_path, disk)
    member = copied(disk)
    connect(member, service)
    connect(copied(Disk(), proposing(5)), service)
    with pytest.raises(IdentityInUse):
        member.receive(service.entries_after(3))


# ── entries as they stand ──


class Reading(Task):
    """It wants to see every entry as it is, before it begins."""

    speaks, reads_entries, done = False, True, False

    def __init__(self) -> None:
        self.seen: list[Entry] = []

    def verified(self, entry: Entry) -> None:
        self.seen.append(entry)

    def begin(self, board: object) -> None:
        self.n = len(self.seen)


def test_a_post_that_is_not_yet_let_go_of_is_found_before_the_noted_head_too(
    tmp_path: Path,
) -> None:
    service, disk = aggregator(tmp_path), Disk()
    connect(copied(disk, proposing(1)), service)
    connect(copied(disk), service)
    member = copied(disk, proposing(2))
    member.connected(Welcome(*service.board.head))
    member.step()
    pending = disk.read("outbox/post")
    connect(member, service)
    connect(copied(disk), service)
    assert pending is not None
    disk.files["outbox/post"] = pending
    TOLD.clear()
    connect(copied(disk, proposing(3)), service)
    assert proposed(service, 1) == [1, 2, 3]
    assert not TOLD


@pytest.mark.parametrize("is_late", [False, True])
def test_who_reads_entries_is_shown_those_of_the_copy(tmp_path: Path, is_late: bool) -> None:
    disk, reading = Disk(), Reading()
    service = grown(tmp_path, disk)
    tasks = Tasks(lambda task, error: None) if is_late else Tasks.lone(reading)
    member = copied(disk, task=tasks)
    member.connected(Welcome(*service.board.head))
    assert asked(member) == [3]
    member.step()
    if is_late:
        tasks.add(reading)
    member.step()
    assert reading.n == 3
    assert [entry.position for entry in reading.seen] == [1, 2, 3]
    assert not asked(member)


@pytest.mark.parametrize(("first", "seen"), [(2, [3]), (3, []), (4, [])])
def test_who_has_the_first_ones_is_shown_the_others_alone(
    tmp_path: Path, first: int, seen: list[int]
) -> None:
    disk, reading = Disk(), Reading()
    reading.entries_from = first
    service = grown(tmp_path, disk)
    member = copied(disk, task=Tasks.lone(reading))
    member.connected(Welcome(*service.board.head))
    member.step()
    assert reading.n == len(seen)
    assert [entry.position for entry in reading.seen] == seen
