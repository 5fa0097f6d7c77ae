"""One simulated hospital: a real agent and real tasks on a simulated disk and link."""

import hashlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent.agent import Agent
from participant.agent.tasks import Ended, Tasks
from participant.board.copy import BoardCopy
from participant.ceremony.task import CeremonyTask
from participant.pruning import PruningTask
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.encoding import encode
from protocol.errors import CeremonyFailed
from protocol.key.epoch import HeldKey, read_secret
from protocol.terms.terms import Terms
from protocol.wire.frames import FromAggregator, FromMember, Welcome
from tests.simulator.disk import Disk
from tests.simulator.liar import LyingTask
from tests.simulator.plan import Plan
from tests.simulator.studies.person import Person
from tests.simulator.studies.script import FAR, StudyScript
from tests.stage.rounds.rings import ring_of
from tests.stage.toy import seed_of

PARAMETERS = 5
PRUNING = (1, 2)  # hospitals that keep no more models of a study than the plan says


class SeededSecrets:
    """Ceremony seeds that follow from the run's seed, kept on the hospital's disk."""

    def __init__(self, disk: Disk, run_seed: int, index: int) -> None:
        self._disk, self._origin = disk, f"{run_seed}/{index}"

    def seed(self, session: str) -> bytes:
        name = f"seed/{session.replace('/', '-')}"
        if (seed := self._disk.read(name)) is None:
            seed = hashlib.sha256(f"{self._origin}/{session}".encode()).digest()
            self._disk.write(name, seed)
        return seed

    def holds(self, session: str) -> bool:
        return self._disk.read(f"seed/{session.replace('/', '-')}") is not None

    def withhold(self, session: str) -> None:
        self._disk.write(f"withheld/{session.replace('/', '-')}", b"")

    def withholds(self, session: str) -> bool:
        return self._disk.read(f"withheld/{session.replace('/', '-')}") is not None

    def keep(self, session: str, held: HeldKey) -> None:
        self._disk.write("vault/key-share", encode(held.secret))
        self._disk.delete(f"seed/{session.replace('/', '-')}")


class EagerCopy(BoardCopy):
    """It stores what has come a hundred times as often, since boards are short here."""

    full_span, awake = 32, 20

    def save(self, board: Board, at_least: int = 1) -> None:
        super().save(board, min(at_least, 4))


class PowersOfTen:
    """An app whose updates name their maker: the sum shows who is in it, and how often.

    Hospital i moves parameter j by 10^-i·(j+1)/100 a round, from i + 1 examples. It begins with
    all parameters at ``start``.
    """

    def __init__(self, index: int, start: float = 0.0) -> None:
        self.index, self.start = index, start

    def initial_parameters(self, config: dict[str, Any]) -> list[np.ndarray]:
        return [np.full(PARAMETERS, self.start)]

    def fit(self, parameters: list[np.ndarray], config: dict[str, Any]) -> tuple[Any, int, Any]:
        return [parameters[0] + self.step()], self.index + 1, {}

    def step(self) -> np.ndarray:
        return 10.0**-self.index * (1 + np.arange(PARAMETERS)) / 100

    def evaluate(self, parameters: list[np.ndarray], config: dict[str, Any]) -> tuple[Any, ...]:
        return 0.0, self.index + 1, {}


class Hospital:
    """A member that crashes, comes back with what was on its disk, and goes on."""

    def __init__(
        self,
        terms: Terms,
        index: int,
        key: Ed25519PrivateKey,
        plan: Plan,
        chaos: random.Random,
        disk: Disk | None = None,
    ) -> None:
        self.terms, self.index, self.key = terms, index, key
        self.run_seed, self.chaos, self.keep_models = plan.seed, chaos, plan.keep_models
        self.disk = disk or Disk()
        self.person = Person(
            terms, index, self.disk, plan.studies, self.app, self._tell, plan.patience
        )
        self.secrets: Callable[[], Any] = lambda: SeededSecrets(self.disk, plan.seed, index)
        self.agent: Agent | None = None
        self.lie: Callable[[Draft, int], Draft] | None = None
        self.clock: Callable[[], float] = lambda: 0.0
        self.tries_again = False  # after a ceremony that was aborted
        self.failure: Exception | None = None
        self.aborted: CeremonyFailed | None = None  # why the last ceremony ended without a key
        self.aborts: list[tuple[str, CeremonyFailed]] = []
        # Of training: study, round, name and facts.
        self.events: list[tuple[str, int, str, dict[str, Any]]] = []
        self.crashes = 0
        self._making: tuple[Agent, CeremonyTask] | None = None

    def __repr__(self) -> str:
        return f"Hospital({self.index})"

    @property
    def finished(self) -> bool:
        """Whether it has its key share, and every study has come to an end here."""
        return self.agent is not None and self.has_key and self.person.is_done

    @property
    def has_key(self) -> bool:
        """Whether the running program is one that has a key share."""
        return self.agent is not None and self.person.agent is self.agent

    def app(self, script: StudyScript) -> PowersOfTen:
        """What it trains with in a study."""
        return PowersOfTen(self.index, FAR * script.source)

    def _tell(self, study: str, number: int, name: str, facts: dict[str, Any]) -> None:
        self.events.append((study, number, name, facts))

    def held_key(self) -> HeldKey | None:
        """Its key share, checked against its verification key; None if it has none yet."""
        stored = self.disk.read("vault/key-share")
        return None if stored is None else read_secret(stored, self.terms, self.index)

    def start(self) -> None:
        """Start the agent from the disk, as a new process would."""
        held = self.held_key()
        place = self.terms, self.index, self.key, self.disk
        if held is None:
            task = self._ceremony()
            self.agent = Agent(*place, task, copy=self.copy())
            self._making = self.agent, task
            return
        self.agent = Agent(*place, self._tasks(self.person.over), copy=self.copy())
        self.person.come(self.agent, ring_of(held))

    def _tasks(self, over: Ended) -> Tasks:
        """Of an agent with a key share; over: is told of the end of each."""
        tasks = Tasks(over)
        if self.keep_models and self.index in PRUNING:
            secret = self.person.model_secret
            tasks.add(PruningTask(self.index, self.disk, secret, self.keep_models))
        return tasks

    def copy(self) -> BoardCopy:
        """Its own copy of the board, as it lies on the disk."""
        return EagerCopy(self.disk, seed_of("copy", self.index), self.terms.federation)

    def _ceremony(self) -> CeremonyTask:
        if self.lie is None:
            return CeremonyTask(self.terms, self.index, self.secrets(), self.clock)
        task = LyingTask(self.terms, self.index, self.secrets(), self.clock)
        task.lie = self.lie
        return task

    def crash(self) -> None:
        """The process dies; the disk stays."""
        self.agent = None
        self.crashes += 1

    def hear(self, frame: FromAggregator | Welcome) -> list[FromMember]:
        """Give the agent a frame, let it work, and return what it sends."""
        if self.agent is None or self.failure:
            return []
        try:
            if isinstance(frame, Welcome):
                self.agent.connected(frame)
            else:
                self.agent.receive(frame)
        except Exception as error:
            self.failure = error
            return []
        return self.work()

    def work(self) -> list[FromMember]:
        """Let the agent do what is due."""
        agent = self.agent
        assert agent is not None
        frames = agent.outgoing()
        try:
            for _ in range(1000):
                agent.step()
                typed = agent.begun and self.look()
                more = agent.outgoing()
                frames += more
                if not more and not typed:
                    return frames
        except Exception as error:
            if self.tries_again and isinstance(error, CeremonyFailed):
                self.aborted = error  # the program ends; the next one takes part in what comes
            else:
                self.failure = error
            return []
        raise AssertionError("the agent never comes to rest")

    def look(self) -> bool:
        """Type what is due; whether anything was."""
        return self.has_key and self.person.look()

    def next_task(self) -> bool:
        """Whether it is time for a new process: to train, or to try the next ceremony."""
        agent = self.agent
        if agent is None or self._making is None or self._making[0] is not agent:
            return False
        if aborted := self.aborted is not None:
            self.aborts.append((self._making[1].session, self.aborted))
            self.aborted = None
        return aborted or agent.done

    def entries(self) -> list[Posted]:
        """What this hospital has seen of the board."""
        return list(self.agent.board.entries) if self.agent else []
