"""One hospital that brings back a model from which a sum is open, to be trained under other bounds.

Whoever knows the others' sum from a model, from a void round say, chooses the next model by what it
adds to the next sum. It can choose one that there was before; were that a model like any other, a
hospital that was halved in the first sum from it, and is not in the second, could be read from the
difference as in test_moved_bounds.py.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from keyshare.packing import unpack
from keyshare.plaintext_proof import encrypt_opened
from keyshare.slots import SlotWriter
from participant import contribution
from protocol.history import OpenedSets
from protocol.round import RoundView
from protocol.suite import suite_of
from tests.attacks.test_moved_bounds import VICTIM
from tests.attacks.test_narrowed_bound import (
    EVIL,
    EXAMPLES,
    LENGTH,
    MOST_EXAMPLES,
    Attack,
    Liar,
    Still,
)

_SUM_OF_WEIGHTS = 1 << 23  # so that all averages are exact


class Steering(Liar):
    """Writes its own numbers where its update lies, too."""

    steps: np.ndarray | None = None

    def _contribution(self, number: int, view: RoundView) -> Any:
        if self.steps is None:
            return super()._contribution(number, view)

        def encrypt(plaintexts: Any, key: Any, stream: Any) -> Any:
            return encrypt_opened([value % key.n for value in plaintexts], key, stream)

        with (
            mock.patch.object(SlotWriter, "entries", return_value=self.steps),
            mock.patch.object(contribution, "encrypt_opened", encrypt),
        ):
            return super()._contribution(number, view)


class Returning(Attack):
    """The victim is halved in the second round, and the fourth ends at the model it began with."""

    def __init__(self) -> None:
        super().__init__()
        self.evil = Steering(self.terms, self.secret(EVIL), Still(), self.disks[EVIL])
        self.evil.lie = lambda tally, marks: np.zeros(tally.slots, int)
        self.seat(EVIL, self.evil)
        self.sums: dict[int, np.ndarray] = {}
        self.weigh(_SUM_OF_WEIGHTS)
        self.play_and_read(1)
        self.honest[VICTIM].target *= 4
        self.play_and_read(2)
        self.evil.weight = 1 << 25
        self.play_and_read(3)
        assert self.events(3, "void") == [1, 2, 3]
        self.weigh(2 * _SUM_OF_WEIGHTS)  # the bound is twice that of round 2, the step the same
        honest = self.sums[3] - self.scale
        self.evil.steps = EVIL * self.scale - self.moved(2) - honest
        self.play_and_read(4)
        self.evil.steps = None
        self.weigh(_SUM_OF_WEIGHTS)

    @property
    def scale(self) -> int:
        return (1 << (self.terms.precision_bits - 1)) - 1

    def weigh(self, total: int) -> None:
        """The liar knows the others' weights, and chooses the sum of all."""
        weights = [round(e / MOST_EXAMPLES * self.scale) for e in (*EXAMPLES, MOST_EXAMPLES)]
        self.evil.weight = total - sum(weights)

    def play_and_read(self, number: int) -> None:
        """A round, and the sums of its updates' slots, as the liar opens them."""
        self.play(f"round/{number}")
        plaintexts = self.evil._rounds[number].plaintexts
        assert plaintexts is not None
        suite, slots = suite_of("paillier", self.terms), self.slots(number)
        self.sums[number] = unpack(plaintexts, suite.packing(LENGTH), slots.count)[slots.head :]

    def slots(self, number: int) -> Any:
        return suite_of("paillier", self.terms).slots(self.opening(number))

    def moved(self, number: int) -> np.ndarray:
        """By how many steps the average of a round moved the model."""
        return self.sums[number] - EVIL * self.scale

    @property
    def reading(self) -> float:
        """The worst error of what two sums tell of the victim's update, in its largest change."""
        first, second = (
            self.moved(k) * self.bounds(k)[0] * MOST_EXAMPLES / self.scale for k in (2, 5)
        )
        read = (second - first) / (EXAMPLES[VICTIM - 1] / 2)
        true = self.honest[VICTIM].update
        return float(np.abs(read - true).max() / np.abs(true).max())


def test_a_model_that_comes_back_has_the_bounds_it_had() -> None:
    attack = Returning()
    attack.play_and_read(5)
    assert attack.opening(5).model == attack.opening(2).model != attack.opening(4).model
    assert attack.bounds(5) == attack.bounds(2) == (0.5, MOST_EXAMPLES)
    assert attack.events(5, "scaled") == [VICTIM]
    assert attack.reading > 0.5


def test_were_they_others_the_liar_would_read_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack itself: if this fails, the test above may pass for another reason."""
    monkeypatch.setattr(OpenedSets, "last_from", lambda history, model, number: None)
    attack = Returning()
    attack.play_and_read(5)
    assert not attack.events(5, "scaled")
    assert attack.reading < 1e-3


def test_who_is_started_again_at_a_model_that_came_back_states_the_same() -> None:
    attack = Returning()
    attack.hear(1, attack.honest[1])
    attack.hear(VICTIM, attack.honest[VICTIM])
    attack.settle()
    stated = {said.about for said in attack.view("round/4").statements.values()}
    assert len(stated) == 1
    assert stated.pop()[-1] == (0.5, MOST_EXAMPLES)
