"""Machines that say other things than their seeds give, and commit to what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from protocol.ceremony.machine import KINDS, Ceremony, UnsealedStep
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.terms.terms import Terms
from tests.stage.ceremony import adversary
from tests.stage.ceremony.adversary import PLAN, Aftermath, Altered, AttackTable, Malicious, Parties

PublicLie = Callable[[CeremonyRun, StepId, bytes], bytes]
PrivateLie = Callable[[CeremonyRun, StepId, dict[int, bytes]], dict[int, bytes]]


@dataclass(frozen=True)
class Lies:
    """What a liar says instead, by the step's name; whether it discloses its seed in the end."""

    public: Mapping[str, PublicLie] = field(default_factory=dict)
    private: Mapping[str, PrivateLie] = field(default_factory=dict)
    discloses: bool = True


class Lying(Altered):
    """A machine that makes something else of what it should say, and is honest else."""

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes, lies: Lies) -> None:
        super().__init__(terms, index, session, seed)
        self.lies, self.discloses = lies, lies.discloses

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        lie = self.lies.public.get(step.name)
        return lie(self.run, step, honest) if lie else honest

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        step, public, private = honest.step, honest.public, honest.private
        if step.name + "-commit" not in KINDS:
            public = self.prepare(step, public)
        if lie := self.lies.private.get(step.name):
            private = lie(self.run, step, private)
        return UnsealedStep(step, public, private)


class Liar(Lying, Malicious):
    """A party that lies, and accuses nobody."""


def lying(liars: Mapping[int, Lies]) -> Parties:
    """The parties that tell these lies."""
    return {i: partial(Liar, lies=lies) for i, lies in liars.items()}


class LyingTable(AttackTable):
    """A ceremony with liars at the table."""

    def __init__(self, liars: Mapping[int, Lies]) -> None:
        super().__init__(PLAN, lying(liars))

    @property
    def honest(self) -> list[Ceremony]:
        """The machines of those who do not lie."""
        return [machine for i, machine in self.machines.items() if i not in self.parties]

    @property
    def named(self) -> set[int]:
        """Whom the honest members' own machines hold to be the culprit; 0 for nobody."""
        return {machine.failure.culprit for machine in self.honest if machine.failure}


def assert_caught(aftermath: Aftermath, culprit: int, step: str) -> None:
    """No key; all machines and the verdict name the culprit, its step, and nobody else."""
    adversary.assert_caught(aftermath, culprit)
    assert {failure.culprit for failure in aftermath.failures.values()} == {culprit}
    assert aftermath.verdict.culprits[culprit].startswith(step)
