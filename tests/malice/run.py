"""Sequences of moves by the number: which are chosen follows from the seed."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.malice.consortium import verified_once
from tests.malice.machine import MaliciousAggregator

STEPS = 12  # moves of a sequence at most


def play(sequences: int, first: int = 0, shrinks: bool = False) -> None:
    """Raises Violation, with the moves that lead there, unless all promises are kept."""
    phases = [Phase.generate, Phase.shrink] if shrinks else [Phase.generate]
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=phases,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
    )
    machine = seed(first)(type("MaliciousAggregator", (MaliciousAggregator,), {}))
    with verified_once():
        run_state_machine_as_test(machine, settings=chosen)
