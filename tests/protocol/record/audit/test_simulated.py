"""Records of simulated federations, under faults, hold: nothing honest is blamed by a check."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.record.audit.checks import audit
from protocol.record.audit.results import Status
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.memo import remembering
from tests.simulator.oracle import judge
from tests.simulator.plan import Plan
from tests.stage.record.memory import MemoryFiles

SEEDS, CHUNK = 100, 20


def simulated(plan: Plan) -> MemoryFiles:
    """The record after a run, which ends as it must."""
    with memory_folder() as folder, remembering():
        federation = Federation(plan, folder)
        assert judge(federation, federation.run()) in ("done", "fork")
        return federation.record()


def check(seed: int, **changes: Any) -> set[str]:
    """The numbers of the checks with findings; no check fails."""
    plan = replace(Plan.of(seed), **changes)
    found = audit(simulated(plan), bytes(32), None)
    failed = {r.number: r.failures for r in found.results if r.failures}
    assert not failed, f"seed {seed}"
    (reasons,) = [r for r in found.results if r.number == "4.4"]
    assert not reasons.findings, f"seed {seed}: the aggregator is honest"
    assert found.head is not None
    return {r.number for r in found.results if r.status is Status.FINDING}


@pytest.mark.parametrize("seed", [0, 1])  # the one suite and the other
def test_the_record_of_a_federation_under_faults_holds(seed: int) -> None:
    check(seed)


def test_whoever_lied_in_a_simulated_ceremony_is_a_finding() -> None:
    assert "3.7" in check(2, n_members=4, quorum=3, liar=2, lie="a wrong share of N", fork=False)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_records_of_a_hundred_federations_hold(first: int) -> None:
    for seed in range(first, first + CHUNK):
        check(seed)
