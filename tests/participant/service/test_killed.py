"""An agent that stays, killed before and after every durable write: it resumes."""

import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.ceremony.task import CeremonyTask
from participant.key.check import KeyCheckTask
from participant.service.due import due_tasks
from protocol.board.board import Board
from protocol.key.epoch import HeldKeys, read_secret
from protocol.messages.check import CheckPart
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import Terms
from protocol.wire.frames import Welcome
from tests.simulator.disk import Crash, Disk
from tests.simulator.hospital import SeededSecrets
from tests.stage.rounds.rings import ring_of
from tests.stage.toy import Federation, replace_terms, toy_federation

FEDERATION = toy_federation(3, 2)
WHO = 2  # is killed
STEP = 9  # so many moments apart, in the fast run


@dataclass
class Stayer:
    """One hospital's agent with what is due by itself, as ``serve`` has it."""

    index: int
    federation: Federation = FEDERATION
    disk: Disk = field(default_factory=Disk)
    failures: list[Exception] = field(default_factory=list)
    crashes: int = 0

    @property
    def terms(self) -> Terms:
        return self.federation.terms

    @property
    def keys(self) -> HeldKeys | None:
        stored = self.disk.read("vault/key-share")
        return ring_of(read_secret(stored, self.terms, self.index)) if stored else None

    def start(self, head: Any) -> None:
        """A new process, from what is on the disk."""
        secrets = SeededSecrets(self.disk, 7, self.index)
        self.member: Any = SimpleNamespace(terms=self.terms, index=self.index, secrets=secrets)
        self.tasks = Tasks(self._ended)
        self.agent = Agent(
            self.terms, self.index, self.federation.keys[self.index], self.disk, self.tasks
        )
        self.agent.connected(Welcome(*head))

    def _ended(self, task: Task, error: Exception | None) -> None:
        if error:
            self.failures.append(error)

    def tend(self, now_ms: int) -> None:
        """Begin with what is due."""
        if not self.agent.begun:
            return
        taken = {reader.task.session for reader in self.tasks.readers}
        for due in due_tasks(
            self.agent.board, self.member, self.keys, now_ms, lambda board, keys, at_work: []
        ):
            if due.session not in taken:
                self.tasks.add(due.make(), yields=True)

    def asks(self, now_ms: int) -> None:
        """A person types ``key check --together``."""
        keys = self.keys
        assert keys is not None
        self.tasks.add(KeyCheckTask(self.terms, keys, now_ms))


class Evening:
    """Three agents that stay around a real service."""

    def __init__(self, folder: Path) -> None:
        clock = itertools.count(int(time.time() * 1000))
        self.now_ms = int(time.time() * 1000)
        terms, key = FEDERATION.terms, FEDERATION.keys[0]
        self.service = Aggregator(terms, key, folder, lambda: next(clock))
        self.stayers = [Stayer(index) for index in (1, 2, 3)]
        for stayer in self.stayers:
            stayer.start(self.service.board.head)

    def until_quiet(self) -> None:
        """Until nobody has anything to say."""
        quiet = 0
        while quiet < 3:
            quiet += 1
            for stayer in self.stayers:
                try:
                    quiet = 0 if self._turn(stayer) else quiet
                except Crash:
                    quiet = 0
                    stayer.crashes += 1
                    stayer.disk.hook = lambda: None  # it dies once
                    stayer.start(self.service.board.head)

    def _turn(self, stayer: Stayer) -> bool:
        agent = stayer.agent
        before = agent.board.head.position
        agent.receive(self.service.entries_after(before))
        agent.step()
        stayer.tend(self.now_ms)
        agent.step()
        frames = agent.outgoing()
        for frame in frames:
            for reply in self.service.receive(stayer.index, frame):
                agent.receive(reply)
        return bool(frames) or agent.board.head.position > before


def whole_evening(folder: Path, moments: int | None) -> tuple[Evening, int]:
    """A ceremony, then a check of key shares; one dies after so many moments, if ever.

    How many moments there were.
    """
    evening = Evening(folder)
    who, seen = evening.stayers[WHO - 1], itertools.count()
    if moments is None:

        def count() -> None:
            next(seen)

        who.disk.hook = count
    else:
        who.disk.dies_after(moments)
    evening.until_quiet()
    assert all(stayer.keys for stayer in evening.stayers)
    evening.stayers[0].asks(evening.now_ms)
    evening.until_quiet()
    return evening, next(seen)


@pytest.fixture(scope="module")
def n_moments(tmp_path_factory: pytest.TempPathFactory) -> int:
    evening, count = whole_evening(tmp_path_factory.mktemp("evening"), None)
    check(evening)
    return count


def check(evening: Evening) -> None:
    """One key, a part of each in one check, nothing on its way, and nobody failed."""
    held = [stayer.keys.current if stayer.keys else None for stayer in evening.stayers]
    assert len({found[0].digest for found in held if found}) == 1
    entries = evening.service.board.entries
    assert {p.post.session.partition("/")[0] for p in entries} == {"ceremony", "check"}
    parts = [p.post.sender for p in entries if isinstance(p.post.body, CheckPart)]
    assert sorted(parts) == [1, 2, 3]
    for stayer in evening.stayers:
        assert not stayer.failures
        assert not stayer.tasks.readers
        assert not stayer.agent.is_sending
        assert not stayer.disk.names("outbox/")


def test_an_evening_takes_many_durable_writes(n_moments: int) -> None:
    assert n_moments > 100


def test_an_agent_that_is_killed_at_a_durable_write_resumes(n_moments: int, tmp_path: Path) -> None:
    for moment in range(STEP // 2, n_moments, 5 * STEP):
        evening, _ = whole_evening(tmp_path / str(moment), moment)
        check(evening)
        assert evening.stayers[WHO - 1].crashes == 1, moment


@pytest.mark.slow
def test_an_agent_that_is_killed_at_any_durable_write_resumes(
    n_moments: int, tmp_path: Path
) -> None:
    for moment in range(n_moments):
        evening, _ = whole_evening(tmp_path / str(moment), moment)
        check(evening)
        assert evening.stayers[WHO - 1].crashes == 1, moment


def test_a_ceremony_is_begun_by_itself_once(tmp_path: Path) -> None:
    evening = Evening(tmp_path)
    evening.until_quiet()
    assert not any(
        isinstance(reader.task, CeremonyTask)
        for stayer in evening.stayers
        for reader in stayer.tasks.readers
    )


def test_no_ceremony_is_due_where_the_terms_take_a_key_over() -> None:
    def due_under(predecessor: Predecessor | None) -> list[str]:
        terms = replace_terms(FEDERATION.terms, predecessor=predecessor)
        secrets = SeededSecrets(Disk(), 7, WHO)
        member: Any = SimpleNamespace(terms=terms, index=WHO, secrets=secrets)
        found = due_tasks(Board(terms), member, None, 0, lambda board, held, at_work: [])
        return [due.session for due in found]

    assert due_under(None) == due_under(Predecessor(bytes(32), "ceremony")) == ["ceremony/1"]
    assert due_under(Predecessor(bytes(32), "handover")) == []
