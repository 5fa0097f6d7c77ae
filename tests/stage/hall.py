"""Hospitals' agents around a real service, each with its task and its disk, and their frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from participant.agent.agent import Agent
from participant.agent.checkpoint import CHECKPOINT_NAME, Checkpoint
from participant.agent.task import Task
from participant.cli.sentences.sentence import Context
from participant.cli.views.vigil import Vigil
from participant.cli.work.telling import Teller
from participant.home.key_ring import KeyRing
from participant.network.session import Session
from participant.training.task import TrainingTask
from protocol.board.post import Post
from protocol.board.study import Study
from protocol.encoding import decode, encode
from protocol.key.epoch import HeldKey
from protocol.messages.fields import MAX_POST_BYTES
from protocol.wire.frames import FromMember, Submit, Welcome
from tests.simulator.disk import Disk
from tests.stage.desk import Desk
from tests.stage.rounds.rings import ring_of
from tests.stage.rounds.round_table import Steps
from tests.stage.saying import NOWHERE
from tests.stage.studies import STUDY
from tests.stage.toy import model_secret, toy_epoch


@dataclass
class Hall(Desk):
    """``with_key``: whether the hospitals have made theirs."""

    with_key: bool = True
    agents: dict[int, Agent] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)
    silenced: dict[int, type] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.disks = {i: Disk() for i in self.federation.members}
        if self.with_key:
            self.certify()
            self._keep_head()

    def _keep_head(self) -> None:
        """Or the disks would look as if they had been put back."""
        for disk in self.disks.values():
            disk.write(CHECKPOINT_NAME, encode(Checkpoint(*self.service.board.head)))

    def found(self, study: Study, *approving: int) -> Study:
        super().found(study, *approving)
        self._keep_head()
        return study

    def come(self, member: int, task: Task) -> Agent:
        """A hospital's program begins."""
        key, disk = self.federation.keys[member], self.disks[member]
        agent = self.agents[member] = Agent(self.federation.terms, member, key, disk, task)
        agent.connected(Welcome(*self.service.board.head))
        return agent

    def ring(self, member: int) -> KeyRing:
        """A member's keys, with its share of this epoch alone."""
        terms = self.federation.terms
        secret = toy_epoch(terms.n_members, terms.quorum).secrets[member]
        return ring_of(HeldKey(self.epoch, secret))

    def train(self, member: int, app: Any = None) -> Agent:
        """A hospital types ``train``; all have approved the study before the first does."""
        if STUDY not in self.service.board.studies:
            self.found(self.training())
        place = self.federation.terms, STUDY, self.ring(member), app or Steps()
        task = TrainingTask(*place, self.disks[member], model_secret(member))
        return self.come(member, task)

    def silence(self, members: Sequence[int], kind: type) -> None:
        """These say nothing any more from the first message of that kind on."""
        self.silenced |= dict.fromkeys(members, kind)

    def talk(self) -> None:
        """Until nobody has anything to say."""
        quiet = 0
        while quiet < 2:
            quiet += 1
            for i in [i for i in self.agents if i not in self.silent]:
                quiet = 0 if self._step(i) else quiet
            while self.service.tick():
                quiet = 0

    def _step(self, i: int) -> bool:
        agent, any_said = self.agents[i], False
        if agent.done:
            return False
        more = self.service.entries_after(agent.board.head.position)
        agent.receive(more)
        agent.step()
        self.frames += [encode(more)] if more.entries else []
        for frame in agent.outgoing():
            if self._is_silenced(i, frame):
                self.silent.add(i)
                return True
            replies = self.service.receive(i, frame)
            self.frames += [encode(frame), *map(encode, replies)]
            for reply in replies:
                agent.receive(reply)
                any_said = True
        return any_said

    def _is_silenced(self, i: int, frame: FromMember) -> bool:
        if i not in self.silenced or not isinstance(frame, Submit):
            return False
        post = decode(frame.post.post, Post, "post", MAX_POST_BYTES)
        return isinstance(post.body, self.silenced[i])


@dataclass
class ToldHall(Hall):
    """Each hospital's person reads what is told on standard error."""

    seconds: float = 0.0  # of the hospitals' own clocks
    sessions: dict[int, Session] = field(default_factory=dict)
    tellers: dict[int, Teller] = field(default_factory=dict)
    read: dict[int, list[str]] = field(default_factory=dict)

    def come(self, member: int, task: Task) -> Agent:
        agent = super().come(member, task)
        session = self.sessions[member] = Session(agent, self.federation.keys[member], NOWHERE)
        session._no_link = ""
        said = self.read[member] = []
        context = Context(
            file=Path("federation.toml"),
            terms=self.federation.terms,
            is_statistic=lambda study: (
                bool(study) and not agent.board.studies[study].study.is_training
            ),
        )
        vigil = Vigil(lambda: self.seconds)
        self.tellers[member] = Teller(lambda: session, context, vigil=vigil, write=said.append)
        return agent

    def later(self, seconds: float) -> None:
        """Time passes at the hospitals; the aggregator's stands still."""
        for step in (0.0, seconds):
            self.seconds += step
            for i in self.agents:
                if i not in self.silent:
                    self.tellers[i].look()
