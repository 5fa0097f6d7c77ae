"""What a seed stands for: the federation, the faults, and when they strike."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

from tests.simulator.handover import script as handover
from tests.simulator.handover.heirs import drawn_handovers, liars_of, proposed_by_others
from tests.simulator.liar import LIES
from tests.simulator.studies.script import StudyScript, common, drawn


@dataclass(frozen=True)
class Plan:
    """A run, calm unless told. Probabilities are per frame, rates mean seconds between crashes."""

    seed: int
    n_members: int
    quorum: int
    key_bits: int = 256
    rounds: int = 1
    suite: Literal["auto", "hybrid"] = "auto"
    drop: float = 0.0
    duplicate: float = 0.0
    slow: float = 0.0
    crash_every: float = 0.0
    crash_writes: float = 0.0  # probability that a durable write of a member crashes it
    aggregator_crash_every: float = 0.0
    aggregator_crash_syncs: float = 0.0  # the same for the aggregator's fsyncs
    crash_at: tuple[int, int] = (0, 0)  # whom a crash strikes once at its moment of that number
    fork: bool = False
    liar: int = 0  # who lies once in the first ceremony, 0 for nobody
    lie: str = ""  # its lie, of tests.simulator.liar.LIES
    step_seconds: int = 240  # that a step of a ceremony may last
    rogue: bool = False  # whether the aggregator shifts the first round's sum; for hybrid rounds
    founded: bool = False  # whether the hospitals have their key from the beginning
    laggard: int = 0  # to whom the board comes late while faults happen, 0 for nobody
    scripts: tuple[StudyScript, ...] = ()  # none: one study, which trains ``rounds`` rounds
    keep_models: int = 0  # of each study, at hospitals 1 and 2; 0: all, as at the others
    patience: float = 250.0  # virtual seconds from the key on that people wait for a study
    refresh: handover.RefreshScript | None = None  # of the key, for a run of handover.oracle

    @property
    def studies(self) -> tuple[StudyScript, ...]:
        """What is studied."""
        return self.scripts or (common(self.n_members, self.rounds, suite=self.suite),)

    @classmethod
    def of_studies(cls, seed: int) -> Plan:
        """Hospitals that have their key, and several studies at once; faults as in ``of``."""
        draw, plan = random.Random(f"studies {seed}"), cls.of(seed)
        suite: Literal["auto", "hybrid"] = "hybrid" if seed % 5 == 1 else "auto"
        n = draw.choice([3, 4, 4, 5])
        return replace(
            plan, n_members=n, quorum=(n + 1) // 2, suite=suite, liar=0, lie="", rogue=False,
            founded=True, scripts=tuple(drawn(draw, n, suite)), keep_models=2 * (seed % 3 == 2),
            laggard=draw.randint(1, n) if draw.random() < 0.2 else 0,
        )  # fmt: skip

    @classmethod
    def of_refreshes(cls, seed: int) -> Plan:
        """As ``of_studies``, with a study of several rounds, and refreshes of the key beside."""
        draw, plan = random.Random(f"refreshes {seed}"), cls.of_studies(seed)
        n = draw.choice([3, 4, 4, 5])
        script = handover.drawn(draw, n, liars_of(n))
        studies = (*drawn(draw, n, plan.suite)[:2], handover.studied(draw, n, plan.suite))
        quorum = draw.randint(2, n - liars_of(n))
        return replace(
            plan, n_members=n, quorum=quorum, scripts=studies, refresh=script,
            laggard=min(plan.laggard, n), step_seconds=40, patience=500.0,
        )  # fmt: skip

    @classmethod
    def of_handovers(cls, seed: int) -> Plan:
        """As ``of_refreshes``, and the key goes to other terms."""
        draw, plan = random.Random(f"handovers {seed}"), cls.of_studies(seed)
        n = draw.choice([3, 4, 4, 5])
        quorum = draw.randint(2, n - liars_of(n))
        studies = (*drawn(draw, n, plan.suite)[:1], handover.studied(draw, n, plan.suite))
        script = drawn_handovers(draw, n, plan.suite)
        studies = proposed_by_others(studies, script.gone)
        return replace(
            plan, n_members=n, quorum=quorum, scripts=studies, refresh=script,
            laggard=min(plan.laggard, n), step_seconds=40, patience=500.0,
        )  # fmt: skip

    @classmethod
    def of(cls, seed: int) -> Plan:
        """The plan of a seed: from calm to everything at once."""
        draw = random.Random(seed)
        n = draw.choice([3, 3, 4, 5])
        rough = draw.choice([0.0, 0.3, 1.0])
        plan = cls(
            seed=seed,
            n_members=n,
            quorum=draw.randint(2, n),
            key_bits=256,
            rounds=draw.choice([1, 2]),
            suite="hybrid" if seed % 3 == 1 else "auto",
            drop=0.10 * rough * draw.random(),
            duplicate=0.15 * rough * draw.random(),
            slow=0.20 * rough * draw.random(),
            crash_every=draw.choice([0.0, 20.0, 8.0]) if rough else 0.0,
            crash_writes=0.05 * rough * draw.random(),
            aggregator_crash_every=draw.choice([0.0, 25.0, 10.0]) if rough else 0.0,
            aggregator_crash_syncs=0.03 * rough * draw.random(),
            fork=draw.random() < 0.1,
            rogue=seed % 9 == 4,
        )
        if plan.fork or draw.random() >= 0.2:
            return plan
        return replace(plan, liar=draw.randint(1, n), lie=draw.choice(sorted(LIES)))
