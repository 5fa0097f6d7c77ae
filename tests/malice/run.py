"""Sequences of moves by the number.

Which are chosen follows from the seed, and from the constants in the modules that are imported:
Hypothesis draws these as well. So other tests beside these, or another line of code, may show more.
"""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.malice.consortium import verified_once
from tests.malice.lies import MaliciousAggregator
from tests.malice.machine import Play
from tests.malice.studies import TRAINING

STEPS = 10  # moves of a sequence


@dataclass
class Tally:
    """What sequences came to: how many, how many sums were opened, why hospitals stopped.

    ``statistics``: how many of the opened sums are statistics; ``parallel``: how many sequences
    opened sums of several studies.
    """

    sequences: int = 0
    opened: int = 0
    statistics: int = 0
    parallel: int = 0
    stopped: Counter[str] = field(default_factory=Counter)

    def add(self, machine: Play) -> None:
        self.sequences += 1
        self.opened += len(machine.a.knowledge.opened)
        closed = machine.a.knowledge.closed
        studies = [closed[chosen].study for chosen in machine.a.knowledge.opened]
        self.statistics += sum(name not in TRAINING for name in studies)
        self.parallel += len(set(studies)) > 1
        for hospital in machine.a.hospitals.values():
            for failure in hospital.failures:
                self.stopped[getattr(failure, "rule", type(failure).__name__)] += 1

    def __str__(self) -> str:
        why = ", ".join(f"{reason} {count}" for reason, count in self.stopped.most_common())
        sums = f"{self.opened} sums opened, {self.statistics} of them statistics"
        several = f"of several studies in {self.parallel}"
        return f"{self.sequences} sequences, {sums}, {several}; tasks ended by: {why}"


def play(
    sequences: int,
    first: int = 0,
    shrinks: bool = False,
    tally: Tally | None = None,
    machine: type[Play] = MaliciousAggregator,
) -> None:
    """Raises Violation, with the moves that lead there, unless all promises are kept."""
    counted = tally or Tally()

    class Counted(machine):  # type: ignore[misc, valid-type]
        def teardown(self) -> None:
            super().teardown()
            counted.add(self)

    chosen = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with verified_once():
        run_state_machine_as_test(seed(first)(Counted), settings=chosen)
