"""A simulated federation that has its key, in which some holders are bad and the aggregator is not.

A run goes on until all honest hospitals have finished, or until they are held back: all of them say
so, and the aggregator too. Then a way out is taken, and the run goes on.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aggregator.rounds.omission import TOO_NEAR
from participant.agent.agent import Agent
from participant.agent.checkpoint import CHECKPOINT_NAME, Checkpoint
from participant.agent.outbox import Outbox
from participant.errors import RejectedByAggregator
from participant.study.tasks import EndingTask
from participant.training.task import TrainingTask
from protocol.encoding import encode
from protocol.key.epoch import read_secret
from protocol.messages.session import read_session
from protocol.wire.frames import Submit
from tests.simulator.bad.holder import HONEST, BadHolder, Script
from tests.simulator.federation import CALM_AFTER, Federation
from tests.simulator.hospital import PARAMETERS, Hospital, PowersOfTen
from tests.simulator.plan import Plan
from tests.simulator.studies.clocked import ClockedTask
from tests.simulator.studies.script import WAIT_SECONDS
from tests.stage.rounds.rings import ring_of
from tests.stage.studies import STUDY, founding, training_study
from tests.stage.toy import model_secret, next_post

ROUNDS = 4
AFTERMATH = 12.0  # virtual seconds after the last round, in which what is on its way is read
STEPS_SECONDS = 15.0  # what a round takes but for its waits: steps, each asked for again after 5 s
WayOut = Literal["comes back", "ends"]


@dataclass(frozen=True)
class BadPlan:
    """One run: the federation, who is bad and how, and which way out is taken where one is needed.

    ``joins``: whether the bad ones begin another model with the honest ones, or are late.
    """

    seed: int
    n_members: int
    suite: Literal["auto", "hybrid"]
    scripts: Mapping[int, Script]
    way_out: WayOut
    joins: bool

    @classmethod
    def of(cls, seed: int) -> BadPlan:
        """The plan of a seed."""
        draw = random.Random(seed)
        is_hybrid = seed % 8 == 3
        n = draw.choice([4, 5]) if is_hybrid else draw.choice([4, 4, 5, 6, 6, 7])
        bad = draw.sample(range(1, n + 1), draw.randint(1, (n - 1) // 3))
        return cls(
            seed,
            n,
            "hybrid" if is_hybrid else "auto",
            {i: Script.of(draw, ROUNDS) for i in sorted(bad)},
            draw.choice(["comes back", "ends"]),
            draw.random() < 0.5,
        )

    @property
    def base(self) -> Plan:
        """The same federation, whose hospitals crash now and then in a third of the runs."""
        crash_every = 12.0 if self.seed % 3 == 2 else 0.0
        n, quorum = self.n_members, (self.n_members + 1) // 2
        return Plan(
            0, n, quorum, 256, ROUNDS, self.suite, duplicate=0.02, crash_every=crash_every,
            founded=True,
        )  # fmt: skip


class Fresh(PowersOfTen):
    """Begins with another model for every seed; ``factor``: how far it goes in which round."""

    def __init__(self, index: int, script: Script | None = None) -> None:
        super().__init__(index)
        self.script = script or HONEST

    def initial_parameters(self, config: dict[str, Any]) -> list[np.ndarray]:
        return [np.full(PARAMETERS, config["seed"] / 2**32)]

    def fit(self, parameters: list[np.ndarray], config: dict[str, Any]) -> tuple[Any, int, Any]:
        return [self.fitted(parameters[0], config["round"])], self.index + 1, {}

    def fitted(self, model: np.ndarray, number: int) -> np.ndarray:
        """What it makes of a model in a round."""
        is_far = self.script.acts.get((number, "give")) == "weights"
        return model + self.step() * (-7 if is_far else 1)


class Holder(Hospital):
    """A hospital that has its share; a bad one has a script. ``votes``: to end the study."""

    script: Script | None = None
    seed = 0
    votes = False

    def own(self) -> None:
        """What it does in this run."""
        self.did: dict[tuple[int, str], str] = {}
        self.junk = deque(self.script.junk if self.script else ())

    def start(self) -> None:
        stored = self.disk.read("vault/key-share")
        assert stored is not None
        keys = ring_of(read_secret(stored, self.terms, self.index))
        place = self.terms, self.index, self.key, self.disk
        if self.votes:
            ending = EndingTask(self.terms, self.index, STUDY)
            self.agent = Agent(*place, ending, copy=self.copy())
            return
        kind = ClockedTask if self.script is None else BadHolder
        task = kind(
            self.terms, STUDY, keys, Fresh(self.index, self.script), self.disk,
            model_secret(self.index),
            lambda number, name, facts: self.events.append((STUDY, number, name, facts)),
        )  # fmt: skip
        task.now = self.clock
        if isinstance(task, BadHolder):
            assert self.script is not None
            draw = random.Random(f"{self.seed}/{self.index}")
            task.prepare(self.script, self.clock, draw, self.did, self.junk)
        self.agent = Agent(*place, task, copy=self.copy())

    @property
    def has_key(self) -> bool:
        """Its tasks are what ``start`` gives it, and nobody types more."""
        return False

    @property
    def finished(self) -> bool:
        """Whether its task is done."""
        return self.agent is not None and self.agent.done

    @property
    def held_back(self) -> tuple[int, ...] | None:
        """Whom it waits for in a round that is held back, by what it knows; None in no such."""
        task = self.agent.task if self.agent else None
        its = task.current if isinstance(task, TrainingTask) else None
        return its.hold.waiting_for if its and its.hold.is_held else None


@dataclass
class Hold:
    """A round that was held back, what everybody said of it, and which way out was taken."""

    number: int
    awaited: frozenset[int]
    fit: frozenset[int]  # whose contributions could be added
    told: dict[int, tuple[int, ...] | None]  # whom each honest hospital waited for
    status: list[str]  # whom the aggregator's status named
    way_out: WayOut | None  # None: nobody can come, and the study may not end


class BadFederation(Federation):
    """One run of a bad plan."""

    def __init__(self, bad: BadPlan, folder: Path) -> None:
        super().__init__(bad.base, folder)
        self.bad, self.chaos = bad, random.Random(bad.seed)
        self.holds: list[Hold] = []
        self._end: float | None = None
        self._left: dict[str, list[str]] = {}  # what was held back when a way out was taken
        for index in self.hospitals:
            holder = Holder(self.terms, index, self.toy.keys[index], bad.base, self.chaos)
            holder.disk = self.hospitals[index].disk
            holder.script, holder.seed = bad.scripts.get(index), bad.seed
            holder.own()
            holder.clock = lambda: self.clock.now
            self.hospitals[index] = holder

    @property
    def honest(self) -> list[Holder]:
        return [h for i, h in self.hospitals.items() if i not in self.bad.scripts]  # type: ignore[misc]

    def play(self) -> bool:
        """Run to the end, with a way out wherever it is held back; False if a time ran out."""
        self._every(1.0, self._let_the_bad_go_on)
        self._found_the_study()
        is_over = self.run(self._bound)
        while is_over and self.is_held and not self._is_stuck:
            self._take_way_out()
            if not self._is_stuck:
                is_over = self.clock.run(self._is_over, self.clock.now + self._bound)
        return is_over and (self._are_finished or self._is_stuck)

    def _found_the_study(self) -> None:
        """All have approved it before anything happens."""
        suite = self.bad.suite
        plan = {"clip": 1.0, "bits": 32, "max_examples": 1000, "suite": suite, "rounds": ROUNDS}
        self.study = training_study(self.terms, STUDY, seconds=WAIT_SECONDS, **plan)
        self._start_service(self.services[0])
        for sender, draft in founding(self.study):
            key, board = self.toy.keys[sender], self.aggregator.board
            signed = next_post(key, board, draft.session, sender, draft.body)
            self.aggregator.receive(sender, Submit(signed))
        head = encode(Checkpoint(*self.aggregator.board.head))
        for hospital in self.hospitals.values():
            hospital.disk.files[CHECKPOINT_NAME] = head  # they have said it themselves
        self.aggregator.close()
        self.services[0].aggregator = None

    @property
    def _bound(self) -> float:
        """Who crashes begins a wait anew."""
        return bound() + (CALM_AFTER if self.plan.crash_every else 0.0)

    @property
    def _is_stuck(self) -> bool:
        return bool(self.holds) and self.holds[-1].way_out is None

    def _let_the_bad_go_on(self) -> None:
        """A bad holder lets go of what the aggregator has refused to take, and tries the next."""
        for index, script in self.bad.scripts.items():
            hospital = self.hospitals[index]
            if isinstance(hospital.failure, RejectedByAggregator):
                Outbox(hospital.disk).discard()
                self._begin_again(index, script)

    def _is_over(self) -> bool:
        if any(h.failure for h in self.honest) or (self.is_held and self._held != self._left):
            return True
        if not self._are_finished:
            self._end = None
            return False
        self._end = self._end or self.clock.now + AFTERMATH
        return self.clock.now >= self._end

    @property
    def _are_finished(self) -> bool:
        return all(h.finished for h in self.honest)

    @property
    def is_held(self) -> bool:
        """Whether all honest hospitals say that they are held back, and the aggregator does."""
        return all(h.held_back is not None for h in self.honest) and bool(self._held)

    @property
    def _held(self) -> dict[str, list[str]]:
        """For whom which round waits, as the aggregator's status says."""
        rounds: Any = self.aggregator.status({})["rounds"]
        return {one["session"]: one["held_back_for"] for one in rounds if one["held_back"]}

    def _take_way_out(self) -> None:
        self._left = self._held
        ((session, status),) = self._left.items()
        number, contributors = read_session(session).number, self._contributors(session)
        left_out = self.aggregator.summing.left_out[session]
        hold = Hold(
            number,
            self.aggregator.summing.held_back[session],
            frozenset(m for m in contributors if left_out.get(m, TOO_NEAR) == TOO_NEAR),
            {h.index: h.held_back for h in self.honest},
            status,
            self._way_out(number, contributors),
        )
        self.holds.append(hold)
        if hold.way_out is None:
            return
        if hold.way_out == "comes back":
            for index in self.bad.scripts:
                self._begin_again(index, HONEST)
            return
        for index, hospital in self.hospitals.items():
            assert isinstance(hospital, Holder)
            if hospital.script is None or self.bad.joins:
                hospital.votes = True
                self._begin_again(index, hospital.script)

    def _contributors(self, session: str) -> frozenset[int]:
        return frozenset(self.aggregator.rounds.views[session].contributions)

    def _way_out(self, number: int, contributors: frozenset[int]) -> WayOut | None:
        """The one that is planned, if it is open: nobody contributes twice, or after the last."""
        can_come = not self.bad.scripts.keys() & contributors
        is_last = number == ROUNDS
        if self.bad.way_out == "comes back" or is_last:
            return "comes back" if can_come else None if is_last else "ends"
        return "ends"

    def _begin_again(self, index: int, script: Script | None) -> None:
        """A hospital's program is stopped and started; what was wrong with it may be mended."""
        hospital = self.hospitals[index]
        assert isinstance(hospital, Holder)
        hospital.agent, hospital.failure, hospital.script = None, None, script
        self._link(hospital).up = False
        self._start_hospital(hospital)


def bound() -> float:
    """Virtual seconds within which the honest have finished or are held back.

    Each round waits for statements and for contributions as long as the terms say, at most, and
    its steps take their time. A held-back round is noticed two waits after the last contribution.
    """
    waits = 2 * WAIT_SECONDS
    return (ROUNDS + 1) * (waits + STEPS_SECONDS) + waits + AFTERMATH
