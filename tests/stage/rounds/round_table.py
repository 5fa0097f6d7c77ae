"""Hospitals' tasks at one table, with the aggregator's part of a round played by the test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keyshare.hybrid.checksum import write_checksum
from participant.agent.task import Task
from participant.home.key_ring import KeyRing
from participant.model.file import model_name
from participant.training.stance import Report
from participant.training.task import TrainingTask
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.board.study import Study, StudyState
from protocol.key.epoch import HeldKey
from protocol.messages.rounds import SetLock
from tests.simulator.disk import Disk
from tests.stage.rounds.aggregator import AggregatorTable
from tests.stage.rounds.rings import held_in
from tests.stage.studies import SESSION, STUDY, training_study
from tests.stage.toy import ToyEpoch, model_secret, toy_epoch

WEIGHTS = 20_000  # with chunks as short as ``short_chunks`` makes them, three of these

Events = list[tuple[int, str, dict[str, Any]]]


class Steps:
    """An app whose hospital adds its own number to both parameters, from 10 examples."""

    def __init__(self, step: float = 0.1) -> None:
        self.step = step
        self.fits = 0

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros((1, 2)), np.zeros(1, dtype=np.float32)]

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        self.fits += 1
        return [p + p.dtype.type(self.step) for p in parameters], 10, {}

    def evaluate(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        return 0.5, 10, {}


class RoundTable(AggregatorTable):
    """A toy epoch's members, each with a task and a disk.

    study: that all have approved; one that trains unless told. at: a table whose board and disks
    these are; both tables see what is said at either.
    """

    view = AggregatorTable.view_of
    open = AggregatorTable.open_round
    close = AggregatorTable.close_round

    def __init__(
        self,
        toy: ToyEpoch | None = None,
        study: Study | None = None,
        at: "RoundTable | None" = None,
    ) -> None:
        super().__init__(toy or (at.toy if at else toy_epoch()), at)
        self.tasks: dict[int, Task] = {}
        self.held, self._rings = dict[int, list[HeldKey]](), dict[int, KeyRing]()
        fresh = {i: Disk() for i in self.toy.federation.members}
        self.disks: dict[int, Disk] = at.disks if at else fresh
        self.tables: list[RoundTable] = at.tables if at else []
        self.tables.append(self)
        study = study or training_study(self.terms)
        self.study = study.name
        if study.name not in self.board.studies:
            self.found(study)
        self.read: list[tuple[int, bytes]] = []  # who has read which blob
        self.withheld: set[bytes] = set()

    def ring(self, index: int) -> KeyRing:
        """A member's keys; its vault is ``held``."""
        if index not in self._rings:
            held = self.held[index] = [held_in(self.toy, index)]
            self._rings[index] = KeyRing(lambda known: held)
        return self._rings[index]

    def train(
        self, index: int, app: Any, report: Report = lambda number, event, facts: None
    ) -> TrainingTask:
        """Give a member a training task."""
        keys, disk = self.ring(index), self.disks[index]
        task = TrainingTask(self.terms, self.study, keys, app, disk, model_secret(index), report)
        self.seat(index, task)
        return task

    def reported(self, index: int, app: Any) -> Events:
        """What a member's training task reports from now on."""
        events = Events()
        self.train(index, app, lambda *event: events.append(event))
        return events

    def seat(self, index: int, task: Task) -> None:
        """A member comes (back) to the table and reads the board."""
        task.begin(self.board)
        self.tasks[index] = task
        for posted in self.board.entries:
            self.show(index, posted)

    def show(self, index: int, posted: Posted) -> None:
        task, counts = self.tasks[index], not isinstance(posted.post.body, Surplus)
        if counts and task.wants(posted.post.session):
            needed = task.needs(posted)
            task.receive(posted, self.payloads(posted, index) if needed else {})

    def publish(self, sender: int, draft: Draft) -> Posted:
        for name in draft.stored:
            blob = self.disks[sender].read(f"outbox/blob-{name.hex()}")
            assert blob is not None
            self.blobs[name] = blob
        return self.spread(sender, draft)

    def spread(self, sender: int, draft: Draft) -> Posted:
        posted = self.say(sender, draft)
        for table in self.tables:
            for index in list(table.tasks):
                table.show(index, posted)
        return posted

    def settle(self) -> None:
        """Let everybody speak until nobody has anything to say."""
        while drafts := [(i, d) for i in self.tasks if (d := self.due(i))]:
            for sender, draft in drafts:
                self.publish(sender, draft)

    def due(self, index: int) -> Draft | None:
        """What a member's task says next, with the blobs that it asks for, as an agent does."""
        task = self.tasks[index]
        self.stream(index)
        draft = task.due()
        return task.due() if draft is None and self.stream(index) else draft

    def stream(self, index: int) -> bool:
        """Hand a task its wanted blobs; whether there were any."""
        task, any_here = self.tasks[index], False
        while (wanted := task.wanted_blobs()) and wanted[0][0] not in self.withheld:
            name, size = wanted[0]
            assert len(self.blobs[name]) == size
            self.read.append((index, name))
            task.receive_blob(name, self.blobs[name])
            any_here = True
        return any_here

    def play(self, session: str = SESSION) -> None:
        """A whole round, with the aggregator doing its part as it should."""
        self.settle()
        self.open(session)
        self.settle()
        self.close(session)
        self.settle()

    def session(self, number: int) -> str:
        """Of a round of the table's study."""
        return self.study_of(f"study/{self.study}").round(number)


class Long(Steps):
    """Adds its hospital's own number to every weight of a longer model."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(WEIGHTS)]


class HybridTable(RoundTable):
    """All members train, and contribute vectors of three short chunks."""

    def __init__(self) -> None:
        toy = toy_epoch()
        super().__init__(toy, training_study(toy.federation.terms, suite="hybrid"))
        self.events: dict[int, Events] = {}
        for i in self.toy.federation.members:
            self.join(i)
        self.settle()

    def join(self, index: int) -> TrainingTask:
        """A member comes (back) with what is on its disk."""
        events: Events = self.events.setdefault(index, [])
        return self.train(index, Long(index / 100), lambda *event: events.append(event))

    def task(self, index: int) -> TrainingTask:
        task = self.tasks[index]
        assert isinstance(task, TrainingTask)
        return task

    def contributed(self, session: str = SESSION) -> None:
        """An open round with everybody's contribution, before its closing."""
        self.settle()
        self.open(session, suite="hybrid")
        self.settle()

    def vector(self, member: int, session: str = SESSION) -> list[bytes]:
        """What a member contributed, chunk by chunk."""
        return self.chunks_of(session, member)

    def names(self, member: int, session: str = SESSION) -> tuple[bytes, ...]:
        return self.view(session).contributions[member].post.body.vector

    @property
    def chosen(self) -> bytes:
        return self.chosen_in(SESSION)

    def checksum(self, member: int) -> int:
        return self.checksum_in(SESSION, member)

    def lock(self, member: int, checksum: int) -> Posted:
        """A member locks the set with whatever checksum it likes."""
        body = SetLock(self.chosen, write_checksum(checksum))
        return self.publish(member, Draft(SESSION, body))

    def weights(self, member: int, number: int = 1) -> np.ndarray:
        """A member's model."""
        assert self.disks[member].read(model_name(STUDY, number)) is not None
        assert self.task(member).finished == number
        (found,) = self.task(member).parameters
        return found

    def said(self, member: int, event: str) -> list[dict[str, Any]]:
        """The facts of a member's events of that name."""
        return [facts for _, name, facts in self.events[member] if name == event]


class KeyedTable(RoundTable):
    """Its board begins with the toy's ceremony, so that the key can be handed over."""

    def found(self, study: Study, approving: Sequence[int] | None = None) -> StudyState:
        for entry in () if self.entries else self.toy.table.entries:
            self.board.append(entry)
            self.entries.append(entry)
        return super().found(study, approving)
