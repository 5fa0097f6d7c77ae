"""Many tasks, in any order of steps, losses, crashes and comings: each line is said once."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from protocol.board.board import Board
from protocol.wire.frames import FromAggregator, Welcome
from tests.participant.agent.test_tasks import Reciting, line
from tests.simulator.disk import Crash, Disk
from tests.stage.saying import BIG, FEDERATION, agent, aggregator, connect

LINES = {"ceremony/1": 3, "ceremony/2": 1, "ceremony/3": 4, "ceremony/4": 2}
MOMENTS = 250


@dataclass
class Night:
    """One hospital that crashes, and a link that loses things, by a seed."""

    service: Aggregator
    chance: random.Random
    disk: Disk = field(default_factory=Disk)
    failures: list[Exception] = field(default_factory=list)
    left: list[Task] = field(default_factory=list)
    on_way: list[FromAggregator] = field(default_factory=list)

    def start(self) -> None:
        """A new process, whose tasks come in any order, some of them later."""
        self.disk.hook = lambda: None
        self.tasks = Tasks(self._ended)
        self.on_way.clear()
        names = self.chance.sample(list(LINES), len(LINES))
        self.later = [Reciting(name, LINES[name], BIG) for name in names]
        for _ in range(self.chance.randrange(len(names) + 1)):
            self.tasks.add(self.later.pop())
        key = FEDERATION.keys[1]
        self.agent = Agent(FEDERATION.terms, 1, key, self.disk, self.tasks)
        self.agent.connected(Welcome(*self.service.board.head))
        if self.chance.random() < 0.5:
            self.disk.dies_after(self.chance.randrange(40))

    def _ended(self, task: Task, error: Exception | None) -> None:
        if error is not None:
            self.failures.append(error)

    def moment(self) -> None:
        """One of the things that can happen."""
        try:
            self._happen(self.chance.random())
        except Crash:
            self.start()

    def _happen(self, what: float) -> None:
        if what < 0.35:
            self.agent.step()
        elif what < 0.65:
            for frame in self.agent.outgoing():
                if self.chance.random() < 0.9:
                    self.on_way += self.service.receive(1, frame)
        elif what < 0.85:
            arrived, self.on_way = self.on_way, []
            for reply in arrived:
                self.agent.receive(reply)
        elif what < 0.9:
            self.agent.nudge()
        elif what < 0.93:
            self.agent.disconnected()
            self.on_way.clear()
            self.agent.connected(Welcome(*self.service.board.head))
        elif what < 0.96 and self.later:
            self.tasks.add(self.later.pop())
        elif what < 0.98 and self.tasks.readers:
            self._leave(self.chance.choice(self.tasks.readers).task)
        elif what < 0.985:
            raise Crash
        elif self.service.board.count("ceremony/1", 2) < 3:
            self._other_speaks()

    def _leave(self, task: Task) -> None:
        """A task is taken away, and will come again."""
        assert isinstance(task, Reciting)
        if task not in self.left:
            self.left.append(task)
            self.tasks.remove(task)
            self.later.append(Reciting(task.session, task.lines, BIG))

    def _other_speaks(self) -> None:
        number = self.service.board.count("ceremony/1", 2)
        connect(agent(2, Disk(), line("ceremony/1", number, BIG)), self.service)

    def end(self) -> None:
        """Nothing is lost any more, and whoever left has come back."""
        self.disk.hook = lambda: None
        for task in self.later:
            self.tasks.add(task)
        self.agent.disconnected()
        self.on_way.clear()
        self.agent.connected(Welcome(*self.service.board.head))
        for _ in range(200):
            self.agent.step()
            for frame in self.agent.outgoing():
                for reply in self.service.receive(1, frame):
                    self.agent.receive(reply)
            self.agent.receive(self.service.entries_after(self.agent.board.head.position))


def pending_at_most_one(disk: Disk) -> bool:
    return len(disk.names("outbox/post")) <= 1


@given(st.integers(0, (1 << 64) - 1))
@settings(max_examples=25, derandomize=True, database=None, deadline=None)
def test_each_line_of_each_task_is_on_the_board_once_and_in_its_order(seed: int) -> None:
    with TemporaryDirectory() as folder, patch.object(Board, "excess", lambda *about: ""):
        night = Night(aggregator(Path(folder)), random.Random(seed))
        night.start()
        for _ in range(MOMENTS):
            night.moment()
            assert pending_at_most_one(night.disk)
        night.end()
        board = night.service.board
        said = {
            name: [p.post.body.candidate for p in board.session(name) if p.post.sender == 1]
            for name in LINES
        }
    assert said == {name: list(range(lines)) for name, lines in LINES.items()}
    assert not night.failures
    assert not night.tasks.readers
    assert not night.disk.names("outbox/")
    assert night.agent._downloads.received_bytes == (0, 0)
