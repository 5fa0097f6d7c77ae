"""An honest hospital, as the aggregator meets it: entries in, signed posts out, restarts.

It is there for every study that its people have approved, of both kinds at once.
"""

from collections.abc import Sequence
from typing import Any

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.errors import ParticipantError
from participant.rounds.task import DecryptionTask
from participant.statistic.task import StatisticTask
from participant.study.tasks import ApprovalTask, EndingTask, WithdrawalTask
from participant.training.task import TrainingTask
from protocol.board.post import Head, SignedPost
from protocol.errors import ProtocolError
from protocol.messages.rounds import Statement
from protocol.wire.frames import Entries, Submit, Welcome
from tests.malice.studies import TRAINING, app_of, numbers_of
from tests.simulator.disk import Disk
from tests.stage.rounds.rings import ring_in
from tests.stage.toy import ToyEpoch, model_secret, number_secret

_PREFETCH = 32  # entries a frame


class Hospital:
    """One member's agent on its disk; ``failures``: what ended its tasks, or all of it."""

    def __init__(self, toy: ToyEpoch, index: int) -> None:
        self.toy, self.index, self.disk = toy, index, Disk()
        self.keys = ring_in(toy, index)
        self.agent: Agent | None = None
        self.failures: list[Exception] = []
        self.mail: SignedPost | None = None  # said, and in the aggregator's hands
        self.read = 0  # entries
        self.training: dict[str, TrainingTask] = {}  # by study
        self._approved: list[str] = []  # studies, in the order in which people approved them
        self._named: dict[int, tuple[str, str]] = {}  # by task's identity: study and kind

    @property
    def terms(self) -> Any:
        return self.toy.federation.terms

    # ── its process ──

    def start(self, board: Sequence[bytes], head: Head) -> None:
        """Start anew, with every study that was approved; read a board from entry 1."""
        self.mail, self.read = None, 0
        self._named.clear()
        self.training.clear()
        key = self.toy.federation.keys[self.index]
        self.agent = Agent(self.terms, self.index, key, self.disk, Tasks(self._ended))
        self._try(lambda agent: agent.connected(Welcome(head.position, head.hash)))
        self.take(board)
        for name in self._approved:
            self._take_part(name)
        self.take(())

    def forget_head(self) -> None:
        """Its storage loses which board it has seen; the ledger of chosen sets stays."""
        self.disk.files.pop("head", None)

    def take(self, entries: Sequence[bytes]) -> None:
        """Read the next entries and say what is due."""
        for start in range(0, len(entries), _PREFETCH):
            frame = Entries(tuple(entries[start : start + _PREFETCH]), 0)
            self._try(lambda agent, frame=frame: agent.receive(frame))
        self.read += len(entries)
        self._try(lambda agent: agent.step())
        self._try(lambda agent: agent.step())  # with tasks that have come with the first
        if self.agent is not None:
            for said in self.agent.outgoing():
                self.mail = said.post if isinstance(said, Submit) else self.mail

    def ask_again(self) -> None:
        """Whatever it has said and not seen on the board comes again."""
        self._try(lambda agent: agent.nudge())
        self.take(())

    def _try(self, step: Any) -> None:
        if self.agent is None:
            return
        try:
            step(self.agent)
        except (ProtocolError, ParticipantError) as failure:
            self.failures.append(failure)
            self.agent = None

    # ── its people ──

    def approve(self, name: str) -> None:
        """Approve what has this name on its board, to contribute and to open, and take part."""
        if not self._knows(name):
            return
        place = self.terms, self.index, name, self.disk
        self._add(name, "word", ApprovalTask(*place, unpinned=True))
        if name not in self._approved:
            self._approved.append(name)
        self._take_part(name)
        self.take(())

    def withdraw(self, name: str) -> None:
        """Take the approval back."""
        if self._knows(name):
            self._add(name, "word", WithdrawalTask(self.terms, self.index, name, self.disk))
            self.take(())

    def vote_to_end(self, name: str) -> None:
        if self._knows(name):
            self._add(name, "word", EndingTask(self.terms, self.index, name))
            self.take(())

    def take_part(self, name: str) -> None:
        """Begin with a study, whether or not anybody here has approved it."""
        self._take_part(name)
        self.take(())

    def _knows(self, name: str) -> bool:
        return self.agent is not None and name in self.agent.board.studies

    def _take_part(self, name: str) -> None:
        """Contribute to a study, or help to open it, unless it does already."""
        agent = self.agent
        if agent is None or not self._knows(name) or self._is_there(name):
            return
        place = self.terms, name, self.keys
        if self.index not in agent.board.studies[name].study.members:
            self._help(name)
        elif name in TRAINING:
            task = TrainingTask(
                *place, app_of(name, self.index), self.disk, model_secret(self.index)
            )
            self.training[name] = task
            self._add(name, "training", task)
        else:
            numbers = numbers_of(name, self.index)
            self._add(
                name,
                "statistic",
                StatisticTask(*place, numbers, self.disk, number_secret(self.index)),
            )

    def _help(self, name: str) -> None:
        """Open the last sum of a study, whatever it is."""
        task = DecryptionTask(self.terms, name, None, self.keys, self.disk, lambda question: True)
        self._add(name, "opening", task)

    def _is_there(self, name: str) -> bool:
        kinds = [kind for study, kind in self._named.values() if study == name]
        return any(kind != "word" for kind in kinds)

    def _add(self, name: str, kind: str, task: Task) -> None:
        assert self.agent is not None
        self._named[id(task)] = name, kind
        self.agent.tasks.add(task)

    def _ended(self, task: Task, error: Exception | None) -> None:
        name, kind = self._named.pop(id(task))
        if error is not None:
            self.failures.append(error)
        if kind == "statistic":
            self._help(name)

    # ── where it stands ──

    def finished(self, name: str) -> int:
        """The last round of a study whose model it holds."""
        task = self.training.get(name)
        return task.finished if task else 0

    def standing(self, name: str) -> Statement | None:
        """The model of a study that it holds, as it states it."""
        task = self.training.get(name)
        course = task._course if task else None
        return course._stance.statement if course else None

    def model(self, name: str) -> tuple[float, ...]:
        """The weights of the model that it trains from."""
        entries = self.training[name]._known._standing.model.entries
        return tuple(float(x) for entry in entries for x in entry)
