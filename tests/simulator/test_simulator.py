"""Federations under faults, some with a liar, and bugs that must not go unnoticed.

A hundred of them are judged with their records, in tests/protocol/record/audit/test_simulated.py.
The fourth bug, missing sharings of zero, is the coalition test's: tests/attacks/.
"""

import os
from dataclasses import replace

import pytest

from aggregator.errors import StoreDamaged
from participant.agent.agent import Agent
from participant.rounds.sum_check import SumCheck
from protocol.board.post import decode_entry
from protocol.ceremony.judgement import Verdict
from protocol.rounds.vector_checks import SumVerdict
from protocol.wire.frames import Entries
from tests.simulator import forgetful_store, oracle
from tests.simulator.federation import Federation
from tests.simulator.hospital import SeededSecrets
from tests.simulator.liar import LIES
from tests.simulator.oracle import Violation, simulate, stored_keys
from tests.simulator.plan import Plan

SEEDS = 5
ROUGH = Plan(
    seed=0, n_members=3, quorum=2, drop=0.05, duplicate=0.1, slow=0.1, crash_every=8.0,
    crash_writes=0.05, aggregator_crash_every=6.0, aggregator_crash_syncs=0.02,
)  # fmt: skip
TRIES = 12  # a planted bug must show within so many seeds


def test_every_run_ends_with_one_key_and_exact_sums_or_names_the_fork() -> None:
    for seed in range(SEEDS):
        assert simulate(seed) in ("done", "fork"), f"seed {seed}"


def test_faults_do_happen() -> None:
    seen: list[Federation] = []
    for seed in range(3):
        simulate(replace(ROUGH, seed=seed), seen.append)
    assert sum(h.crashes for f in seen for h in f.hospitals.values()) > 20


def test_an_aggregator_that_shows_two_boards_is_always_noticed() -> None:
    for seed in range(10):
        plan = replace(
            Plan.of(seed), fork=True, liar=0, crash_every=0.0, aggregator_crash_every=0.0
        )
        assert simulate(plan) in ("done", "fork"), f"seed {seed}"
    forked = [simulate(replace(ROUGH, seed=s, fork=True, rounds=4)) for s in range(3)]
    assert "fork" in forked


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lie", sorted(LIES))
def test_whoever_lies_is_named_and_all_make_a_key_in_the_next_ceremony(lie: str, seed: int) -> None:
    assert simulate(replace(ROUGH, seed=seed, n_members=4, liar=2, lie=lie)) == "done"


def test_after_an_abort_everybody_ends_with_its_reason_once() -> None:
    seen: list[Federation] = []
    plan = replace(
        ROUGH, liar=3, lie="a wrong share of N", crash_every=0.0, crash_writes=0.0,
        aggregator_crash_every=0.0, aggregator_crash_syncs=0.0,
    )  # fmt: skip
    assert simulate(plan, seen.append) == "done"
    for hospital in seen[0].hospitals.values():
        ((session, failure),) = hospital.aborts
        assert (session, failure.step) == ("ceremony/1", "moduli")
        assert hospital.disk.names("seed/") == ["seed/ceremony-1"]
    assert {epoch.number for epoch, _ in stored_keys(seen[0]).values()} == {2}


def test_planted_verdicts_on_the_accused_instead_of_the_accuser_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = oracle.judge_ceremony

    def believing(*arguments: object) -> Verdict:
        found = real(*arguments)  # type: ignore[arg-type]
        return replace(found, culprits={i % 3 + 1: "said so" for i in found.culprits})

    monkeypatch.setattr(oracle, "judge_ceremony", believing)
    with pytest.raises(Violation, match="culprits"):
        simulate(replace(ROUGH, liar=2, lie="a false accusation"))


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_an_aggregator_that_shifts_a_sum_is_named_and_the_next_round_goes_on(seed: int) -> None:
    assert simulate(replace(ROUGH, seed=seed, suite="hybrid", rogue=True, rounds=2)) == "done"


def test_planted_trust_in_the_aggregators_sum_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(check: SumCheck) -> None:
        check.verdict = SumVerdict(is_sum=True, liars=())

    monkeypatch.setattr(SumCheck, "compare", believe)
    with pytest.raises(Violation):
        simulate(replace(ROUGH, suite="hybrid", rogue=True))


def caught(prepare: object) -> bool:
    for seed in range(TRIES):
        try:
            simulate(replace(ROUGH, seed=seed), prepare)  # type: ignore[arg-type]
        except (Violation, StoreDamaged):
            return True
    return False


@pytest.mark.slow
def test_without_a_planted_bug_the_same_seeds_pass() -> None:
    for seed in range(TRIES):
        assert simulate(replace(ROUGH, seed=seed)) == "done"


def test_planted_entries_taken_twice_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive_entries(agent: Agent, frame: Entries) -> None:
        for data in frame.entries:  # no look at the position: what comes twice counts twice
            agent.board.append(decode_entry(data))

    monkeypatch.setattr(Agent, "_receive_entries", receive_entries)
    assert caught(lambda federation: None)


def test_planted_fresh_randomness_after_a_restart_is_caught() -> None:
    class Forgetful(SeededSecrets):
        def seed(self, session: str) -> bytes:
            return os.urandom(32)

    def prepare(federation: Federation) -> None:
        for hospital in federation.hospitals.values():
            hospital.secrets = lambda h=hospital: Forgetful(h.disk, h.run_seed, h.index)  # type: ignore[misc]

    assert caught(prepare)


def test_planted_acknowledgement_before_durability_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgetful_store.plant(monkeypatch)
    assert caught(lambda federation: None)
