"""An honest hospital, as the aggregator meets it: entries in, signed posts out, restarts."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.errors import ParticipantError
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.training.task import TrainingTask
from protocol.board.board import Head, SignedPost
from protocol.board.messages import Statement
from protocol.errors import ProtocolError
from protocol.key.epoch import HeldKey
from protocol.wire.frames import Entries, Submit, Welcome
from tests.simulator.disk import Disk
from tests.stage.rounds.round_table import Steps
from tests.stage.toy import ToyEpoch

_PREFETCH = 32  # entries a frame


class Hospital:
    """One member's agent on its disk; ``failure`` is why it stands still until a restart."""

    def __init__(self, toy: ToyEpoch, index: int) -> None:
        self.toy, self.index, self.disk = toy, index, Disk()
        self.agent: Agent | None = None
        self.task: Task | None = None
        self.failure: Exception | None = None
        self.mail: SignedPost | None = None  # said, and in the aggregator's hands
        self.read = 0  # entries
        self.standing: Statement | None = None

    def start(
        self, board: Sequence[bytes], head: Head, name: str | None = None, contributes: bool = False
    ) -> None:
        """Start ``train``, or ``decrypt`` of a round or ``contribute`` to it; read a board from 1.

        Its numbers for a statistic of one name are the same whenever it is asked for them.
        """
        terms = self.toy.federation.terms
        secret = HeldKey(self.toy.epoch, self.toy.secrets[self.index])
        self.failure, self.mail, self.read = None, None, 0
        if name is None:
            self.task = TrainingTask(terms, secret, Steps(self.index / 8), self.disk)
        elif contributes:
            values = (Decimal(self.index), Decimal(self.index) / 2)
            numbers = Numbers("numbers.csv", values[: 1 + len(name) % 2])
            self.task = StatisticTask(terms, secret, name, numbers, self.disk)
        else:
            self.task = DecryptionTask(terms, secret, name, self.disk, lambda request: True)
        key = self.toy.federation.keys[self.index]
        self.agent = Agent(terms, self.index, key, self.disk, self.task)
        self._try(lambda agent: agent.connected(Welcome(head.position, head.hash)))
        self.take(board)

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
        if self.agent is not None:
            for said in self.agent.outgoing():
                self.mail = said.post if isinstance(said, Submit) else self.mail
        if isinstance(self.task, TrainingTask):
            self.standing = self.task._stance.statement

    def ask_again(self) -> None:
        """Whatever it has said and not seen on the board comes again."""
        self._try(lambda agent: agent.nudge())
        self.take(())

    @property
    def finished(self) -> int:
        """The last round whose model it holds."""
        return self.task.finished if isinstance(self.task, TrainingTask) else 0

    def _try(self, step: Any) -> None:
        if self.agent is None:
            return
        try:
            step(self.agent)
        except (ProtocolError, ParticipantError) as failure:
            self.failure, self.agent = failure, None
