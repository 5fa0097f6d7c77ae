"""One hospital narrows the clip until the sums of a round show the others' signs.

It breaks no rule. It claims as many examples as the terms allow, so that the average, and with it
the model, hardly moves; with ``adaptive_clip`` the next bound follows the average. Once all of the
others' values are cut, the sum that every hospital opens is Σ ±W_i, with W_i their examples.
A clip that the terms themselves set too small does the same in the first round.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import participant.contribution
from keyshare.packing import unpack
from keyshare.quantisation import Quantisation
from participant.errors import TooMuchCut
from participant.training_task import TrainingTask
from protocol.suite import packing_of
from tests.participant.round_table import RoundTable
from tests.toy import CeremonyTable, finished, toy_federation

LENGTH, EXAMPLES, MOST_EXAMPLES = 40, (11, 29, 64), 10_000
EVIL = len(EXAMPLES) + 1
SIGNS = np.array(list(itertools.product((1, -1), repeat=len(EXAMPLES))))


class Honest:
    """Goes most of the way to an optimum of its own."""

    def __init__(self, index: int) -> None:
        self.examples = EXAMPLES[index - 1]
        self.target = np.random.default_rng(index).normal(0, 0.1, LENGTH)
        self.update = np.zeros(LENGTH)

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(LENGTH)]

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        self.update = 0.8 * (self.target - parameters[0])
        return [parameters[0] + self.update], self.examples, {}

    def evaluate(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        return 0.0, 1, {}


class Narrowing(Honest):
    """Changes nothing, and says that it has as many examples as the terms allow."""

    def __init__(self) -> None:
        super().__init__(1)

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        return parameters, MOST_EXAMPLES, {}


class Attack(RoundTable):
    """Three honest hospitals and one that narrows the bound."""

    def __init__(self, **terms: Any) -> None:
        changes = {"precision_bits": 24, "max_examples": MOST_EXAMPLES, "suite": "paillier"}
        federation = toy_federation(EVIL, 3, **(changes | terms))
        super().__init__(finished(CeremonyTable(federation).run()))
        self.honest = {i: Honest(i) for i in range(1, EVIL)}
        for i, app in self.honest.items():
            self.train(i, app)
        self.evil = self.train(EVIL, Narrowing())
        self.stopped: dict[int, TooMuchCut] = {}

    def due(self, index: int) -> Any:
        """A hospital whose command has ended with the error says nothing more."""
        if index in self.stopped:
            return None
        try:
            return super().due(index)
        except TooMuchCut as error:
            self.stopped[index] = error
            return None

    def signs_read(self, number: int) -> float:
        """Of how many of all honest hospitals' signs the sum of a round is sure, and right."""
        task = self.evil
        assert isinstance(task, TrainingTask)
        plaintexts = task._rounds[number].plaintexts
        assert plaintexts is not None
        q = Quantisation(1.0, self.terms.precision_bits, MOST_EXAMPLES)
        sums = unpack(plaintexts, packing_of(self.terms), LENGTH + 1)[1:] - EVIL * q.scale
        weights = [round(e / MOST_EXAMPLES * q.scale) for e in EXAMPLES]
        apart = np.abs(SIGNS @ weights - sums[:, None])
        read = np.where(apart.min(1)[:, None] == 0, SIGNS[apart.argmin(1)], 0)
        true = np.sign([app.update for app in self.honest.values()]).T
        return float(np.mean(read == true))


def test_hospitals_stop_before_a_narrowed_bound_shows_their_signs() -> None:
    attack = Attack(clip=1.0, adaptive_clip=True)
    attack.play("round/1")
    assert attack.signs_read(1) == 0
    attack.open("round/2")
    attack.settle()
    assert set(attack.stopped) == set(attack.honest)
    assert set(attack.view("round/2").contributions) == {EVIL}


def test_a_bound_that_the_terms_leave_is_not_narrowed() -> None:
    attack = Attack(clip=1.0)
    for number in (1, 2, 3):
        attack.play(f"round/{number}")
        assert attack.signs_read(number) == 0
    assert not attack.stopped


def test_under_terms_with_a_tiny_clip_nobody_contributes() -> None:
    attack = Attack(clip=1e-6)
    attack.settle()
    attack.open("round/1")
    attack.settle()
    assert set(attack.stopped) == set(attack.honest)


@pytest.mark.parametrize(
    ("terms", "rounds"), [({"clip": 1.0, "adaptive_clip": True}, 3), ({"clip": 1e-6}, 1)]
)
def test_did_hospitals_contribute_whatever_is_cut_the_signs_would_show(
    terms: dict[str, Any], rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(participant.contribution, "most_cut", lambda length: length)
    attack = Attack(**terms)
    for number in range(1, rounds + 1):
        attack.play(f"round/{number}")
    assert not attack.stopped
    assert attack.signs_read(rounds) > 0.9
