"""Hospitals' tasks at one table, with the aggregator's part of a round played by the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from participant.agent.task import Task
from participant.training.stance import Report
from participant.training.task import TrainingTask
from protocol.board.board import Posted
from protocol.board.draft import Draft
from protocol.board.messages import Closing, Contribution, Contributor, Opening, Statement, attach
from protocol.key.epoch import to_number
from protocol.rounds.ciphertexts import add_encrypted, read_ciphertexts, write_ciphertexts
from protocol.rounds.view import RoundView, bounds_of
from tests.simulator.disk import Disk
from tests.stage.toy import Table, ToyEpoch, toy_epoch


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


class RoundTable(Table):
    """A toy epoch's members, each with a task and a disk."""

    def __init__(self, toy: ToyEpoch | None = None) -> None:
        self.toy = toy or toy_epoch()
        super().__init__(self.toy.federation)
        self.tasks: dict[int, Task] = {}
        self.disks = {i: Disk() for i in self.toy.federation.members}
        self.read: list[tuple[int, bytes]] = []  # who has read which blob
        self.withheld: set[bytes] = set()

    @property
    def terms(self) -> Any:
        return self.toy.federation.terms

    def secret(self, index: int) -> Any:
        """What a member's vault holds."""
        return self.toy.epoch, self.toy.secrets[index]

    def train(
        self, index: int, app: Any, report: Report = lambda number, event, facts: None
    ) -> TrainingTask:
        """Give a member a training task."""
        task = TrainingTask(self.terms, self.secret(index), app, self.disks[index], report)
        self.seat(index, task)
        return task

    def seat(self, index: int, task: Task) -> None:
        """A member comes (back) to the table and reads the board."""
        task.begin(self.board)
        self.tasks[index] = task
        for posted in self.board.entries:
            self.show(index, posted)

    def show(self, index: int, posted: Posted) -> None:
        task = self.tasks[index]
        if task.wants(posted.post.session):
            task.receive(posted, self.payloads(posted, index))

    def publish(self, sender: int, draft: Draft) -> Posted:
        for name in draft.stored:
            blob = self.disks[sender].read(f"outbox/blob-{name.hex()}")
            assert blob is not None
            self.blobs[name] = blob
        posted = self.say(sender, draft)
        for index in self.tasks:
            self.show(index, posted)
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

    def play(self, session: str) -> None:
        """A whole round, with the aggregator doing its part as it should."""
        self.settle()
        self.open(session)
        self.settle()
        self.close(session)
        self.settle()

    def view(self, session: str) -> RoundView:
        return RoundView.of(session, self.board.session(session))

    def open(self, session: str, **changes: Any) -> Posted:
        """The aggregator opens a round from what members stated, or as the test says."""
        kind, _, name = session.partition("/")
        before = f"round/{int(name) - 1}" if kind == "round" else session
        alike = list(self.view(before).agreed(least=1).values())
        clip, examples = bounds_of(alike, self.terms)
        said = alike[0] if alike else Statement(bytes(32), 1)
        kind = "training" if kind == "round" else kind
        fields: dict[str, Any] = {
            "kind": kind, "epoch": self.toy.epoch.digest, "model": said.result,
            "length": said.length,
        }  # fmt: skip
        bounds = {"clip": clip, "max_examples": examples} if kind == "training" else {}
        return self.publish(0, Draft(session, Opening(**(fields | bounds | changes))))

    def close(self, session: str, members: list[int] | None = None) -> Posted:
        """The aggregator closes a round, over all contributions or those of some members."""
        view, n = self.view(session), to_number(self.toy.epoch.n)
        opening = view.terms_of_opening
        assert opening is not None
        chosen = sorted(view.contributions if members is None else members)
        found = []
        for member in chosen:
            posted = view.contributions[member]
            assert isinstance(posted.post.body, Contribution)
            payload = self.payloads(posted, 0)[0]
            found.append(read_ciphertexts(payload, opening, self.terms, n))
        payload = write_ciphertexts(add_encrypted(found, n), n)
        contributors = tuple(Contributor(m, view.contributions[m].digest) for m in chosen)
        blobs = (payload,) if attach(payload).is_blob else ()
        return self.publish(0, Draft(session, Closing(contributors, attach(payload)), blobs))
