"""Malicious parties in a key ceremony: a coalition that shares all it sees, and may speak last.

A malicious party is a machine like any other, but for what its class changes. It is seated at a
table in memory (``at_table``) or run as a hospital's machine in the simulator (``in_simulator``),
with real agents and a real aggregator in virtual time. Both play the same ceremony: everyone's
seed follows from the plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import pytest
from gmpy2 import invert, mpz, powmod

from participant.ceremony.task import CeremonyTask
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.ceremony.judgement import Verdict, judge
from protocol.ceremony.machine import Ceremony, UnsealedStep
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import decode
from protocol.errors import CeremonyFailed
from protocol.key.epoch import Epoch
from protocol.messages.ceremony import Certificate
from protocol.terms.terms import Terms
from tests.simulator import federation as simulated
from tests.simulator.hospital import Hospital
from tests.simulator.plan import Plan
from tests.stage import toy

SESSION = toy.CEREMONY
PLAN = Plan(seed=0, n_members=5, quorum=3)
# Virtual seconds after which a member that has not disclosed its seed counts as silent.
PATIENCE = 30.0


@dataclass
class Coalition:
    """The malicious parties of a ceremony; what one knows they all know."""

    machines: dict[int, Malicious] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)  # what they agree on

    @property
    def runs(self) -> dict[int, CeremonyRun]:
        """What each of them knows as an honest member would."""
        return {i: machine.run for i, machine in self.machines.items()}


class Altered(Ceremony):
    """A machine that keeps to the rules but for what ``prepare`` and ``say`` make of its word."""

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes) -> None:
        super().__init__(terms, index, session, seed)
        prepared = self._run.prepared
        self._run.prepared = lambda step, make: prepared(
            step, lambda run, step: self.prepare(step, make(run, step))
        )

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        """What it commits to and then opens in place of an honest member's payload for all."""
        return honest

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        """What it says in place of what an honest member would say, whatever it committed to."""
        return honest

    def unsealed(self):
        honest = super().unsealed()
        return self.say(honest) if isinstance(honest, UnsealedStep) else honest

    @property
    def run(self) -> CeremonyRun:
        """What this party knows."""
        return self._run


class Malicious(Altered):
    """A machine of a coalition, which never accuses anybody.

    ``speaks_last``: steps in which it waits for all honest senders, and for the coalition's
    members with lower numbers. ``discloses``: whether it opens its seed after an abort.
    """

    speaks_last: frozenset[str] = frozenset()
    discloses = True

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes) -> None:
        super().__init__(terms, index, session, seed)
        self.coalition = Coalition()

    @property
    def heard(self) -> dict[int, bytes]:
        """The public payloads of the step that is under way, by sender."""
        return {i: payloads[0] for i, payloads in self._payloads.items() if 0 in payloads}

    @property
    def is_due(self) -> bool:
        if not super().is_due:
            return False
        before = {i for i in self._senders() if i not in self.coalition.machines or i < self.index}
        waits = self._step.name in self.speaks_last
        return not waits or before <= set(self._spoken)

    @property
    def failed(self) -> None:
        return None

    def due(self) -> Draft | None:
        if self.aborted and not self.discloses:
            return None
        return None if self.failure and not self.aborted else super().due()


Parties = Mapping[int, Callable[[Terms, int, str, bytes], Malicious]]


@dataclass(frozen=True)
class Aftermath:
    """How a ceremony ended.

    keys: the certified epoch of each honest member that holds a key share; failures: what the
    other honest ones were told.
    """

    terms: Terms
    entries: Sequence[Posted]
    payloads: Callable[[Posted], Mapping[int, bytes]]
    keys: Mapping[int, bytes]
    failures: Mapping[int, CeremonyFailed]
    coalition: Coalition

    @cached_property
    def verdict(self) -> Verdict:
        """What a replay of the board shows."""
        return judge(self.terms, SESSION, self.entries, self.payloads)


def assert_caught(aftermath: Aftermath, *culprits: int, silent: Sequence[int] = ()) -> None:
    """Nobody has a key, all honest members failed, and the replay names just the culprits."""
    honest = set(range(1, aftermath.terms.n_members + 1)) - set(aftermath.coalition.machines)
    assert not aftermath.keys
    assert not any(machine.outcome for machine in aftermath.coalition.machines.values())
    assert set(aftermath.failures) == honest
    assert all(isinstance(f, CeremonyFailed) for f in aftermath.failures.values())
    verdict = aftermath.verdict
    assert (set(verdict.culprits), verdict.silent) == (set(culprits), tuple(silent)), verdict


def assert_certified(aftermath: Aftermath) -> None:
    """All honest members hold a share of one key."""
    honest = set(range(1, aftermath.terms.n_members + 1)) - set(aftermath.coalition.machines)
    assert set(aftermath.keys) == honest, aftermath.failures
    assert len(set(aftermath.keys.values())) == 1


def certified_modulus(aftermath: Aftermath) -> mpz:
    """N of the one key of which all honest members hold a share."""
    assert_certified(aftermath)
    return decode(next(iter(aftermath.keys.values())), Epoch, "epoch", 1 << 20).joint_key().n


def decrypted_alone(n: mpz, multiple: mpz) -> int:
    """An encryption of 42, opened with a multiple of λ(N): of c = (1+N)^m·r^N, c^λ = 1 + m·λ·N."""
    ciphertext = (1 + 42 * n) * powmod(7, n, n * n) % n**2
    found = (powmod(ciphertext, multiple, n * n) - 1) // n
    return int(found * invert(multiple, n) % n)


def _party(
    parties: Parties, coalition: Coalition, terms: Terms, index: int, session: str, seed: bytes
) -> Ceremony:
    if index not in parties:
        return Ceremony(terms, index, session, seed)
    machine = parties[index](terms, index, session, seed)
    machine.coalition = coalition
    coalition.machines[index] = machine
    return machine


def seed_of(plan: Plan, index: int) -> bytes:
    """A member's ceremony seed in a plan's federation, as its simulated hospital draws it."""
    return hashlib.sha256(f"{plan.seed}/{index}/{SESSION}".encode()).digest()


# ── at a table ──


class AttackTable(toy.CeremonyTable):
    """A plan's federation at one table, with malicious parties in some seats."""

    def __init__(self, plan: Plan, parties: Parties) -> None:
        self.parties, self.coalition, self.plan = parties, Coalition(), plan
        super().__init__(simulated.toy_of(plan))
        self.seeds = {i: seed_of(plan, i) for i in self.federation.members}
        self.machines = {i: self.machine(i) for i in self.federation.members}

    def machine(self, index: int) -> Ceremony:
        terms, seed = self.federation.terms, self.seeds[index]
        return _party(self.parties, self.coalition, terms, index, SESSION, seed)

    def aftermath(self) -> Aftermath:
        """How the ceremony stands."""
        honest = {i: m for i, m in self.machines.items() if i not in self.parties}
        entries = self.board.session(SESSION)
        return Aftermath(
            self.federation.terms,
            entries,
            self.all_payloads,
            {i: _certified(entries, i) for i, m in honest.items() if m.outcome},
            {i: m.failure for i, m in honest.items() if m.failure},
            self.coalition,
        )


def at_table(parties: Parties, plan: Plan = PLAN) -> Aftermath:
    """A ceremony at a table, to its end."""
    return AttackTable(plan, parties).run().aftermath()


@lru_cache(maxsize=16)
def honest_table(plan: Plan = PLAN) -> AttackTable:
    """The ceremony of a plan with no malicious party in it, finished."""
    table = AttackTable(plan, {}).run()
    assert_certified(table.aftermath())
    return table


def winners_dealers(plan: Plan = PLAN) -> tuple[int, ...]:
    """Who deals the candidate that wins if nobody cheats before; the lead first."""
    run = honest_table(plan).machines[1]._run
    return run.layout.dealers(run.layout.class_of(run.the_winner.number))


def modulus_of(plan: Plan = PLAN) -> mpz:
    """N of the ceremony in which nobody cheats."""
    return honest_table(plan).machines[1]._run.the_winner.n


# ── in the simulator ──


class MaliciousTask(CeremonyTask):
    """A hospital's part in the ceremony, with a malicious machine."""

    def __init__(self, hospital: MaliciousHospital) -> None:
        super().__init__(hospital.terms, hospital.index, hospital.secrets())
        self._hospital = hospital

    def begin(self, board: Board) -> None:
        super().begin(board)
        hospital, seed = self._hospital, self._secrets.seed(self.session)
        self._ceremony = _party(
            hospital.parties, hospital.coalition, self._terms, self._index, self.session, seed
        )


class MaliciousHospital(Hospital):
    """A hospital whose operator has put another machine in."""

    parties: Parties
    coalition: Coalition

    def _ceremony(self) -> CeremonyTask:
        return MaliciousTask(self)


class AttackedFederation(simulated.Federation):
    """A simulated federation that holds its ceremony and then stops."""

    def __init__(self, plan: Plan, folder: Path, parties: Parties) -> None:
        super().__init__(plan, folder)
        self.coalition = Coalition()
        self._aborted_at: float | None = None
        for i in parties:
            hospital = MaliciousHospital(self.terms, i, self.toy.keys[i], plan, self.chaos)
            hospital.parties, hospital.coalition = parties, self.coalition
            self.hospitals[i] = hospital

    @property
    def honest(self) -> dict[int, Hospital]:
        """The hospitals with the machine that all should have."""
        return {i: h for i, h in self.hospitals.items() if not isinstance(h, MaliciousHospital)}

    def _is_over(self) -> bool:
        honest = self.honest.values()
        if not all(h.failure or h.disk.read("vault/key-share") for h in honest):
            return False
        if not any(h.failure for h in honest):
            return True
        if self._aborted_at is None:
            self._aborted_at = self.clock.now
        return self.clock.now > self._aborted_at + PATIENCE


def in_simulator(parties: Parties, plan: Plan = PLAN) -> Aftermath:
    """A ceremony in the simulator, to its end."""
    with simulated.memory_folder() as folder:
        federation = AttackedFederation(plan, folder, parties)
        assert federation.run(), "the ceremony does not end"
        entries = federation.board.session(SESSION)
        payloads = {posted.position: federation.payloads(posted) for posted in entries}
    honest = federation.honest.items()
    return Aftermath(
        federation.terms,
        entries,
        lambda posted: payloads[posted.position],
        {i: _certified(entries, i) for i, h in honest if h.disk.read("vault/key-share")},
        {i: h.failure for i, h in honest if h.failure},  # type: ignore[misc]
        federation.coalition,
    )


# A party does the same in both, so the fast tests play it once.
EITHER_WAY = pytest.mark.parametrize(
    "play", [at_table, pytest.param(in_simulator, marks=pytest.mark.slow)]
)


def _certified(entries: Sequence[Posted], member: int) -> bytes:
    (epoch,) = [
        p.post.body.epoch
        for p in entries
        if p.post.sender == member and isinstance(p.post.body, Certificate)
    ]
    return epoch
