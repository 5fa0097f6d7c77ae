"""A data folder that went back in time: it is noticed, and the hospital goes on as if restored."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.checkpoint import CHECKPOINT_NAME, Checkpoint
from participant.agent.set_back import SetBack
from participant.agent.set_ledger import SetLedger
from participant.cli.views.ceremony import link_notices, set_back_line
from participant.errors import IdentityInUse, RejectedByAggregator
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.encoding import encode
from protocol.errors import Refused
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Join, Step
from protocol.messages.plan import Plan
from protocol.messages.rounds import Opening, SetLock
from protocol.wire.frames import Welcome
from tests.simulator.disk import Crash, Disk
from tests.stage.saying import (
    BIG,
    FEDERATION,
    Saying,
    agent,
    aggregator,
    connect,
    proposed,
    proposing,
    talk,
)
from tests.stage.toy import next_post
from tests.stage.toy_home import member_at

JOIN = Draft("ceremony/1", Join(b"k", bytes(32)))
WITH_BLOB = Draft("ceremony/1", Step("units", 0, 0, (attach(BIG),)), (BIG,))


@dataclass
class Machine:
    """Hospital 1: a disk, what it was told, and a program that starts and speaks."""

    disk: Disk = field(default_factory=Disk)
    told: list[SetBack] = field(default_factory=list)

    def start(self, *drafts: Draft) -> Agent:
        key, task = FEDERATION.keys[1], Saying(*drafts)
        return Agent(FEDERATION.terms, 1, key, self.disk, task, tell=self.told.append)

    def goes_on(self, service: Aggregator, *drafts: Draft) -> None:
        """Start it, and see it say these."""
        again = self.start(*drafts)
        connect(again, service)
        assert again.done

    def snapshot(self) -> dict[str, bytes]:
        return dict(self.disk.files)

    def put_back(self, files: dict[str, bytes]) -> None:
        self.disk.files = dict(files)

    @property
    def restored_at(self) -> int | None:
        mark = SetLedger(self.disk)._mark()
        return mark.position if mark else None


def open_a_round(service: Aggregator) -> None:
    service._say("study/cardio/1", Opening(bytes(32), bytes(32), bytes(32), 1))


# ── noticed ──


def test_a_snapshot_that_is_put_back_is_noticed_and_the_hospital_goes_on(tmp_path: Path) -> None:
    service, machine = aggregator(tmp_path), Machine()
    connect(machine.start(proposing(1)), service)
    before = machine.snapshot()
    open_a_round(service)
    connect(machine.start(proposing(2), JOIN), service)
    machine.put_back(before)
    machine.goes_on(service, proposing(3))
    assert proposed(service, 1) == [1, 2, 3]
    assert machine.told == [SetBack(3, 4)]  # after its plan and the opening, which it knew of
    assert machine.restored_at == 4
    ledger = SetLedger(machine.disk)
    ledger.begin(service.board)
    assert ledger.bars("study/cardio/1")


def test_what_was_chosen_before_the_snapshot_is_still_known(tmp_path: Path) -> None:
    service, machine = aggregator(tmp_path), Machine()
    connect(machine.start(proposing(1)), service)
    open_a_round(service)
    assert SetLedger(machine.disk).choose("study/cardio/1", b"a" * 32)
    before = machine.snapshot()
    connect(machine.start(proposing(2)), service)
    machine.put_back(before)
    connect(machine.start(), service)
    ledger = SetLedger(machine.disk)
    ledger.begin(service.board)
    assert ledger.choose("study/cardio/1", b"a" * 32)
    assert not ledger.choose("study/cardio/1", b"b" * 32)


def test_it_is_noticed_once_and_again_when_it_happens_again(tmp_path: Path) -> None:
    service, machine = aggregator(tmp_path), Machine()
    before = machine.snapshot()  # nothing at all: a folder that was lost
    connect(machine.start(proposing(1)), service)
    machine.put_back(before)
    connect(machine.start(proposing(2)), service)
    connect(machine.start(proposing(3)), service)
    assert machine.told == [SetBack(1, 1)]
    machine.put_back(before)
    connect(machine.start(), service)
    assert machine.told == [SetBack(1, 1), SetBack(1, 3)]
    assert machine.restored_at == 3


def test_a_crash_while_it_is_noticed_does_not_hide_it(tmp_path: Path) -> None:
    service, machine = aggregator(tmp_path), Machine()
    connect(machine.start(proposing(1)), service)
    for moment in range(4):  # before and after each of the two writes
        machine.disk = Disk()
        machine.disk.dies_after(moment)
        with pytest.raises(Crash):
            connect(machine.start(), service)
        machine.disk.hook = lambda: None
        connect(machine.start(), service)
        assert machine.restored_at == 1


def test_no_crash_looks_like_it(tmp_path: Path) -> None:
    """Before or after any write, whether what was sent arrived or not."""
    for moment in itertools.count():
        service, machine = aggregator(tmp_path / str(moment)), Machine()
        machine.disk.dies_after(moment)
        try:
            connect(machine.start(WITH_BLOB), service)
        except Crash:
            machine.disk.hook = lambda: None
            connect(machine.start(), service)
            assert not machine.told
            assert machine.restored_at is None
        else:
            assert moment >= 6
            return


# ── what it does not lock, and what it does not send ──


def test_a_lock_that_the_aggregator_kept_back_is_not_followed_by_another(tmp_path: Path) -> None:
    """Chosen before the disk went back; other posts of the hospital are on the board, not that."""
    service, machine = aggregator(tmp_path), Machine()
    connect(machine.start(proposing(1)), service)
    open_a_round(service)
    before = machine.snapshot()
    connect(machine.start(proposing(2)), service)
    assert SetLedger(machine.disk).choose("study/cardio/1", b"a" * 32)
    locking = machine.start(Draft("study/cardio/1", SetLock(b"a" * 32)))
    locking.connected(Welcome(*service.board.head))
    locking.receive(service.entries_after(0))
    locking.step()  # its lock is signed, and in the aggregator's hands
    assert locking.outgoing()
    machine.put_back(before)
    again = machine.start()
    connect(again, service)
    ledger = SetLedger(machine.disk)
    ledger.begin(service.board)
    with pytest.raises(Refused) as caught:
        ledger.choose("study/cardio/1", b"b" * 32)
    assert "restored from a backup or a snapshot" in caught.value.reason


@pytest.mark.parametrize(
    ("about_to", "said"),
    [(proposing(1, "Another."), proposing(1)), (WITH_BLOB, JOIN), (JOIN, WITH_BLOB)],
)
def test_what_a_set_back_machine_was_about_to_say_gives_way_to_what_it_said(
    tmp_path: Path, about_to: Draft, said: Draft
) -> None:
    """It is put back while it works: what it then makes has a number that is taken."""
    service, machine = aggregator(tmp_path), Machine()
    working = machine.start(about_to)
    working.connected(Welcome(*service.board.head))
    before = machine.snapshot()
    connect(machine.start(said), service)  # in the time that is then undone
    machine.put_back(before)
    working.step()
    assert machine.disk.read("outbox/post") is not None
    with pytest.raises((IdentityInUse, RejectedByAggregator)):
        talk(working, service)
    machine.goes_on(service, proposing(3))
    assert machine.told == [SetBack(1, 1)]
    assert service.board.head.position == 2
    assert not machine.disk.names("outbox/")


def with_a_cut_line(machine: Machine, service: Aggregator, draft: Draft) -> None:
    """The machine makes a post, which does not leave it."""
    working = machine.start(draft)
    working.connected(Welcome(*service.board.head))
    working.receive(service.entries_after(0))
    working.step()
    assert machine.disk.read("outbox/post") is not None


def test_a_post_that_the_hospital_has_passed_by_in_another_session_is_let_go_of(
    tmp_path: Path,
) -> None:
    """It was restored elsewhere and spoke there, with more of the board in view."""
    service, old = aggregator(tmp_path), Machine()
    with_a_cut_line(old, service, WITH_BLOB)
    connect(agent(2, None, proposing(5)), service)
    connect(Machine().start(proposing(2)), service)
    old.goes_on(service, proposing(3))
    assert old.told == [SetBack(2, 2)]
    assert proposed(service, 1) == [2, 3]
    assert not old.disk.names("outbox/")


def test_a_post_that_can_still_be_taken_is_sent(tmp_path: Path) -> None:
    """What the hospital said elsewhere saw no more of the board than it."""
    service, old = aggregator(tmp_path), Machine()
    with_a_cut_line(old, service, WITH_BLOB)
    connect(Machine().start(proposing(2)), service)
    old.goes_on(service, proposing(3))
    assert [type(p.post.body) for p in service.board.entries] == [Plan, Step, Plan]


def test_a_post_whose_number_has_a_post_that_does_not_count_is_let_go_of(tmp_path: Path) -> None:
    service, old = aggregator(tmp_path), Machine()
    early = "ceremony/2"  # before the first is aborted, which is beyond any budget
    with_a_cut_line(old, service, Draft(early, Join(b"k", bytes(32))))
    said = Join(b"x", bytes(32))
    service._append(next_post(FEDERATION.keys[1], service.board, early, 1, said))
    assert isinstance(service.board.entries[0].post.body, Surplus)
    old.goes_on(service, proposing(3))
    assert proposed(service, 1) == [3]


def test_a_post_on_its_way_is_let_go_of_where_the_key_was_restored_into_the_same_folder(
    tmp_path: Path,
) -> None:
    """The folder is marked and knows the board's head, and so it is not found to be set back."""
    service, old = aggregator(tmp_path), Machine()
    with_a_cut_line(old, service, WITH_BLOB)
    connect(agent(2, None, proposing(5)), service)
    connect(Machine().start(proposing(2)), service)
    SetLedger(old.disk).mark_restored(service.board.head)
    old.disk.write(CHECKPOINT_NAME, encode(Checkpoint(*service.board.head)))
    old.goes_on(service, proposing(3))
    assert not old.told


def test_a_post_that_had_arrived_before_the_hospital_spoke_elsewhere_is_kept_and_told_of_once(
    tmp_path: Path,
) -> None:
    service, old = aggregator(tmp_path), Machine()
    working = old.start(JOIN)
    working.connected(Welcome(*service.board.head))
    working.step()
    for frame in working.outgoing():
        service.receive(1, frame)  # and the answer is lost
    connect(Machine().start(proposing(2)), service)
    for draft in ((), (proposing(3),)):
        old.goes_on(service, *draft)
    assert old.told == [SetBack(2, 2)]
    assert service.board.head.position == 3


def test_entries_of_another_timeline_stop_an_agent_at_work_and_are_noticed_at_the_next_start(
    tmp_path: Path,
) -> None:
    service, machine = aggregator(tmp_path), Machine()
    working = machine.start()
    connect(working, service)
    before = machine.snapshot()
    connect(machine.start(proposing(1)), service)
    machine.put_back(before)
    with pytest.raises(IdentityInUse):
        connect(working, service)
    machine.goes_on(service, proposing(2))
    assert machine.told == [SetBack(1, 1)]


# ── what the person is told ──


def test_the_person_is_told_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = aggregator(tmp_path / "board")
    connect(Machine().start(proposing(1)), service)
    member = member_at(tmp_path / "home")
    key, told = member.identity.signing_key, link_notices("wss://h", print).set_back
    agent = Agent(member.terms, member.index, key, member.storage, Saying(), tell=told)
    connect(agent, service)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"{set_back_line(SetBack(1, 1))}\n"
    assert "does not know entry 1 of the board, which this hospital signed" in shown.err
    assert member.storage.read(CHECKPOINT_NAME) is not None
