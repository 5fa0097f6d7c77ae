"""Many tasks in one agent: none starves another, and what one raises ends it alone."""

import errno
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.errors import DiskError, RejectedByAggregator, SessionTaken
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Entry, Posted
from protocol.errors import Refused
from protocol.messages.attachment import attach, blob_name
from protocol.messages.ceremony import Step
from protocol.wire.frames import BlobChunk, BlobRequest, Declined, Submit, Subscribe, Welcome
from tests.simulator.disk import Disk
from tests.stage.saying import BIG, FEDERATION, agent, aggregator, connect, proposing, talk


class Reciting(Task):
    """Says its lines in its session, one after the other, wherever it left off."""

    def __init__(self, session: str, lines: int, blob: bytes = b"") -> None:
        self.session, self.lines, self._blob = session, lines, blob
        self.heard: list[Posted] = []
        self.payloads: list[Mapping[int, bytes]] = []
        self.begun_at: list[int] = []

    @property
    def said(self) -> list[Posted]:
        return [posted for posted in self.heard if posted.post.sender == 1]

    @property
    def done(self) -> bool:
        return len(self.said) >= self.lines

    def begin(self, board: Board) -> None:
        self.begun_at.append(board.head.position)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        self.heard.append(posted)
        self.payloads.append(payloads)

    def due(self) -> Draft | None:
        return None if self.done else line(self.session, len(self.said), self._blob)


def line(session: str, number: int, blob: bytes = b"") -> Draft:
    body = Step("units", 0, number, (attach(bytes([number]) + blob),))
    return Draft(session, body, (bytes([number]) + blob,) if blob else ())


class Company:
    """A hospital's agent with many tasks, and what was told of their ends."""

    def __init__(self, *tasks: Task, disk: Disk | None = None) -> None:
        self.ends: list[tuple[Task, Exception | None]] = []
        self.tasks = Tasks(lambda task, error: self.ends.append((task, error)))
        for task in tasks:
            self.tasks.add(task)
        key = FEDERATION.keys[1]
        self.agent = Agent(FEDERATION.terms, 1, key, disk or Disk(), self.tasks)

    @property
    def present(self) -> list[Task]:
        return [reader.task for reader in self.tasks.readers]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aggregator:
    monkeypatch.setattr(Board, "excess", lambda *about: "")  # nobody has a budget for these posts
    return aggregator(tmp_path)


def sessions(service: Aggregator) -> list[str]:
    return [posted.post.session for posted in service.board.entries]


def test_tasks_speak_in_turn(service: Aggregator) -> None:
    many, few = Reciting("ceremony/1", 5), Reciting("ceremony/2", 2)
    company = Company(many, few)
    connect(company.agent, service)
    assert sessions(service)[:4] == ["ceremony/1", "ceremony/2", "ceremony/1", "ceremony/2"]
    assert Counter(sessions(service)) == {"ceremony/1": 5, "ceremony/2": 2}
    assert company.ends == [(few, None), (many, None)]
    assert company.present == []


def test_an_agent_of_many_tasks_stays_when_they_are_done(service: Aggregator) -> None:
    company = Company(Reciting("ceremony/1", 1))
    connect(company.agent, service)
    assert company.ends
    assert not company.agent.is_sending
    assert not company.agent.done


def test_each_task_gets_the_entries_of_its_session(service: Aggregator) -> None:
    connect(agent(2, None, line("ceremony/1", 0), line("ceremony/2", 0)), service)
    one, other = Reciting("ceremony/1", 1), Reciting("ceremony/2", 1)
    connect(Company(one, other).agent, service)
    assert {posted.post.session for posted in one.heard} == {"ceremony/1"}
    assert {posted.post.session for posted in other.heard} == {"ceremony/2"}
    assert [posted.post.sender for posted in one.heard] == [2, 1]


class Overhearing(Reciting):
    """Listens to every session, and says nothing."""

    speaks = False

    def __init__(self) -> None:
        super().__init__("", 1)

    @property
    def done(self) -> bool:
        return False

    def wants(self, session: str) -> bool:
        return True

    def due(self) -> Draft | None:
        return None


def test_a_payload_that_two_tasks_need_is_fetched_once(service: Aggregator) -> None:
    connect(
        agent(2, None, Draft("ceremony/1", Step("units", 0, 0, (attach(BIG),)), (BIG,))), service
    )
    one, other = Reciting("ceremony/1", 1), Overhearing()
    found = Company(one, other).agent
    asked = Counter[bytes]()
    found.connected(Welcome(*service.board.head))
    for _ in range(20):
        found.step()
        for frame in found.outgoing():
            if isinstance(frame, BlobRequest):
                asked[frame.digest] += 1
            for reply in service.receive(1, frame):
                found.receive(reply)
        found.receive(service.entries_after(found.board.head.position))
    assert one.payloads[0] == other.payloads[0] == {0: BIG}
    assert asked == {blob_name(BIG): 1}
    assert found._downloads.received_bytes == (0, 0)


def test_a_task_that_waits_for_a_payload_holds_up_no_other(service: Aggregator) -> None:
    connect(
        agent(2, None, Draft("ceremony/1", Step("units", 0, 0, (attach(BIG),)), (BIG,))), service
    )
    waiting, speaking = Reciting("ceremony/1", 1), Reciting("ceremony/2", 3)
    found = Company(waiting, speaking).agent
    found.connected(Welcome(*service.board.head))
    for _ in range(20):
        found.step()
        for frame in found.outgoing():
            for reply in service.receive(1, frame):
                if not isinstance(reply, BlobChunk):  # the vector is long on its way
                    found.receive(reply)
        found.receive(service.entries_after(found.board.head.position))
    assert speaking.done
    assert not waiting.heard


class Failing(Reciting):
    """Raises where it is told to."""

    def __init__(self, session: str, where: str, error: Exception) -> None:
        super().__init__(session, 1)
        self._where, self._error = where, error

    def _maybe(self, where: str) -> None:
        if where == self._where:
            raise self._error

    def begin(self, board: Board) -> None:
        self._maybe("begin")

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        self._maybe("receive")
        super().receive(posted, payloads)

    def due(self) -> Draft | None:
        self._maybe("due")
        return super().due()

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        self._maybe("wanted")
        return ()


@pytest.mark.parametrize("where", ["begin", "receive", "due", "wanted"])
def test_what_one_task_raises_ends_it_alone_and_is_told(where: str, service: Aggregator) -> None:
    connect(agent(2, None, line("ceremony/1", 0)), service)
    error = Refused("1", "one-set", 0, "no")
    bad, good = Failing("ceremony/1", where, error), Reciting("ceremony/2", 3)
    company = Company(bad, good)
    connect(company.agent, service)
    assert company.ends == [(bad, error), (good, None)]
    assert good.done


def test_what_the_only_task_raises_is_raised(service: Aggregator) -> None:
    error = Refused("1", "one-set", 0, "no")
    task = Failing("ceremony/1", "due", error)
    with pytest.raises(Refused):
        connect(Agent(FEDERATION.terms, 1, FEDERATION.keys[1], Disk(), task), service)


def test_a_full_disk_concerns_all(service: Aggregator) -> None:
    error = DiskError(Path("models"), "No space left on device", errno.ENOSPC)
    company = Company(Failing("ceremony/1", "due", error), Reciting("ceremony/2", 1))
    with pytest.raises(DiskError):
        connect(company.agent, service)
    assert company.ends == []


def test_a_post_that_cannot_be_made_ends_its_task_alone(service: Aggregator) -> None:
    class Unmade(Reciting):
        def due(self) -> Draft | None:
            return Draft(self.session, Step("units", 0, 0, ()), stored=(bytes(32),))

    unmade, good = Unmade("ceremony/1", 1), Reciting("ceremony/2", 2)
    company = Company(unmade, good)
    connect(company.agent, service)
    assert [type(error).__name__ for _, error in company.ends] == ["DamagedFile", "NoneType"]
    assert good.done


def test_a_task_is_added_while_the_agent_runs_and_gets_the_board_so_far(
    service: Aggregator,
) -> None:
    company = Company(Reciting("ceremony/1", 2))
    connect(company.agent, service)
    connect(agent(2, None, line("ceremony/2", 0)), service)
    late = Reciting("ceremony/2", 1)
    company.tasks.add(late)
    company.agent.receive(service.entries_after(company.agent.board.head.position))
    talk(company.agent, service)
    assert late.begun_at == [3]
    assert [posted.post.sender for posted in late.heard] == [2, 1]
    assert company.ends[-1] == (late, None)


class Registering(Overhearing):
    """Keeps every entry as it stands on the board, those before it began too."""

    reads_entries = True

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def verified(self, entry: Entry) -> None:
        self.entries.append(entry)


def test_a_task_that_reads_entries_is_shown_all_of_them_before_it_begins(
    service: Aggregator,
) -> None:
    company = Company(Reciting("ceremony/1", 4))
    connect(company.agent, service)
    late = Registering()
    company.tasks.add(late)
    company.agent.step()
    assert late.begun_at == []
    assert [f.after for f in company.agent.outgoing() if isinstance(f, Subscribe)] == [0]
    company.agent.receive(service.entries_after(0))
    company.agent.step()
    assert late.begun_at == [4]
    assert [entry.position for entry in late.entries] == [1, 2, 3, 4]
    connect(agent(2, None, line("ceremony/2", 0)), service)
    company.agent.receive(service.entries_after(4))
    assert [entry.position for entry in late.entries] == [1, 2, 3, 4, 5]


def test_of_two_tasks_for_one_session_the_later_is_refused(service: Aggregator) -> None:
    first, second = Reciting("ceremony/1", 3), Reciting("ceremony/1", 3)
    company = Company(first, second)
    connect(company.agent, service)
    (refused, error), (ended, none) = company.ends
    assert (refused, ended, none) == (second, first, None)
    assert isinstance(error, SessionTaken)
    assert error.session == "ceremony/1"
    assert len(sessions(service)) == 3


def test_a_task_that_yields_gives_way_to_another_of_its_session(service: Aggregator) -> None:
    company, asked = Company(), Reciting("ceremony/1", 2)
    automatic = Reciting("ceremony/1", 2)
    company.tasks.add(automatic, yields=True)
    company.tasks.add(asked)
    connect(company.agent, service)
    assert [task for task, _ in company.ends] == [automatic, asked]
    assert isinstance(company.ends[0][1], SessionTaken)
    assert len(sessions(service)) == 2


def test_a_session_that_is_named_only_when_it_speaks_is_taken_then(service: Aggregator) -> None:
    class Roaming(Reciting):
        def wants(self, session: str) -> bool:
            return session.startswith("ceremony/")

        def due(self) -> Draft | None:
            return line("ceremony/1", 0)

    first, roaming = Reciting("ceremony/1", 3), Roaming("", 5)
    company = Company(first, roaming)
    connect(company.agent, service)
    assert isinstance(dict(company.ends)[roaming], SessionTaken)
    assert len(sessions(service)) == 3


def test_who_only_reads_a_session_takes_it_from_nobody(service: Aggregator) -> None:
    class Reading(Overhearing):
        def __init__(self) -> None:
            super().__init__()
            self.session = "ceremony/1"

    company = Company(Reading(), Reciting("ceremony/1", 1))
    connect(company.agent, service)
    assert company.ends[-1][1] is None
    assert len(sessions(service)) == 1


def test_a_task_that_is_removed_says_and_fetches_nothing_more(service: Aggregator) -> None:
    connect(
        agent(2, None, Draft("ceremony/1", Step("units", 0, 0, (attach(BIG),)), (BIG,))), service
    )
    removed, stays = Reciting("ceremony/1", 9), Reciting("ceremony/2", 1)
    company = Company(removed, stays)
    company.agent.connected(Welcome(*service.board.head))
    company.agent.receive(service.entries_after(0))
    company.agent.step()
    assert company.agent._downloads.received_bytes[1] == len(BIG)
    company.tasks.remove(removed)
    company.agent.step()
    assert company.agent._downloads.received_bytes == (0, 0)
    assert company.present == [stays]
    assert company.ends == []  # whoever removes it knows


def test_what_is_declined_ends_the_task_that_said_it_alone(
    service: Aggregator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participant.agent.agent.bears_out", lambda *found: True)
    said, other = Reciting("ceremony/1", 1), Reciting("ceremony/2", 1)
    company = Company(said, other)
    company.agent.connected(Welcome(*service.board.head))
    company.agent.step()
    (post,) = [f.post for f in company.agent.outgoing() if isinstance(f, Submit)]
    company.agent.receive(Declined(post.digest, "too much"))
    ((task, error),) = company.ends
    assert task is said
    assert isinstance(error, RejectedByAggregator)
    talk(company.agent, service)
    assert sessions(service) == ["ceremony/2"]


def test_a_post_made_before_a_crash_is_settled_whoever_comes_after_it(service: Aggregator) -> None:
    disk = Disk()
    first = Company(Reciting("ceremony/1", 2), disk=disk)
    first.agent.connected(Welcome(*service.board.head))
    first.agent.step()
    assert disk.names("outbox/post")
    again = Company(Reciting("ceremony/2", 1), disk=disk)
    connect(again.agent, service)
    assert sessions(service) == ["ceremony/1", "ceremony/2"]
    assert not disk.names("outbox/")


def test_statements_of_the_lone_and_of_the_many_are_the_same(service: Aggregator) -> None:
    connect(agent(2, None, proposing()), service)
    connect(Company(Reciting("ceremony/1", 1)).agent, service)
    assert [posted.post.sender for posted in service.board.entries] == [2, 1]
