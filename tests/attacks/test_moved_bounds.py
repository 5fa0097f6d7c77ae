"""One hospital that makes others add the same update twice, the second time otherwise scaled.

A void round leaves the model as it was, and its sum is open all the same. Were the next round from
this model opened under other bounds, a hospital that was halved in one of the two and not in the
other would add different multiples of one update to two sums over the same members: their
difference is a multiple of that update alone, and the rule of differences looks at members only.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from keyshare.packing import unpack
from participant import outcome
from participant.model_errors import ModelMismatch
from participant.training_task import TrainingTask
from protocol.suite import suite_of
from tests.attacks.test_narrowed_bound import EVIL, EXAMPLES, LENGTH, Attack, Honest, narrowed

VICTIM = 2


class Voiding(Attack):
    """After a first round the victim needs more than its bound, and the liar voids the second."""

    def __init__(self) -> None:
        super().__init__()
        self.play("round/1")
        self.settle()
        self.honest[VICTIM].target *= 4
        self.void("round/2")
        self.before = self.evil._rounds[2].plaintexts
        assert self.events(2, "scaled") == [VICTIM]
        assert self.events(2, "void") == [1, 2, 3]

    def void(self, session: str) -> None:
        """The liar's weight alone is beyond what four may have."""
        self.evil.weight = 1 << 25
        self.play(session)
        self.evil.weight = 0

    def ask(self, clip: float, most: int, is_fixed: bool = False) -> None:
        """The liar asks for these bounds, and contributes whether it gets them or not."""
        stance, changes = self.evil._stance, {"clip": clip, "max_examples": most}
        stance.statement = msgspec.structs.replace(stance.statement, is_fixed=is_fixed, **changes)
        stance.is_narrower = lambda opening: False  # type: ignore[method-assign]
        stance.check = lambda view: None  # type: ignore[method-assign]

    def begin_anew(self, number: int) -> None:
        """All begin after a round with the model that they hold."""
        model = self.tasks[1].parameters  # type: ignore[attr-defined]
        for i in (*self.honest, EVIL):
            app = Beginning(min(i, 3), model)
            secret, disk = self.secret(i), self.disks[i]
            self.seat(i, TrainingTask(self.terms, secret, app, disk, new_model_after=number))
        self.settle()

    def sum_of(self, number: int) -> np.ndarray:
        """Σ examples·x over the contributors, as the liar opens it."""
        plaintexts = self.before if number == 2 else self.evil._rounds[number].plaintexts
        assert plaintexts is not None
        suite, opening = suite_of("paillier", self.terms), self.opening(number)
        slots = suite.slots(opening)
        sums = unpack(plaintexts, suite.packing(LENGTH), slots.count)[slots.head :]
        q = slots.quantisation
        return (sums - EVIL * q.scale) * q.clip * q.max_examples / q.scale

    @property
    def reading(self) -> float:
        """The worst error of what two sums tell of the victim's update, in its largest change."""
        true = self.honest[VICTIM].update
        read = (self.sum_of(3) - self.sum_of(2)) / (EXAMPLES[VICTIM - 1] / 2)
        return float(np.abs(read - true).max() / np.abs(true).max())


@pytest.mark.parametrize("is_fixed", [False, True])
def test_a_voided_round_is_tried_again_under_the_same_bounds(is_fixed: bool) -> None:
    attack = Voiding()
    attack.ask(1.0, 10_000, is_fixed)
    attack.play("round/3")
    assert attack.opening(2).model == attack.opening(3).model
    assert attack.bounds(3) == attack.bounds(2) == (0.5, 10_000)
    assert attack.events(3, "scaled") == [VICTIM]
    assert attack.reading > 0.5


def test_were_they_others_the_liar_would_read_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack itself: if this fails, the test above may pass for another reason."""
    monkeypatch.setattr(outcome, "replace", lambda bounds, fixed: bounds)
    attack = Voiding()
    attack.ask(1.0, 10_000)
    attack.play("round/3")
    assert not attack.events(3, "scaled")
    assert attack.reading < 1e-3


def test_an_opening_of_the_same_model_with_other_bounds_is_answered_by_nobody() -> None:
    attack = Voiding()
    attack.ask(1.0, 10_000)
    attack.settle()
    attack.open("round/3", clip=1.0)
    for index in attack.honest:
        with pytest.raises(ModelMismatch, match="bound"):
            attack.due(index)


class Beginning(Honest):
    """Begins with a model that there has been before."""

    def __init__(self, index: int, model: list[np.ndarray]) -> None:
        super().__init__(index)
        self._model = model

    def initial_parameters(self, config: Any) -> list[np.ndarray]:
        return self._model


def test_a_model_that_is_begun_with_anew_has_the_bounds_of_its_last_round() -> None:
    attack = Voiding()
    attack.begin_anew(2)
    attack.open("round/3")
    assert attack.opening(2).model == attack.opening(3).model
    assert attack.bounds(3) == (0.5, 10_000)


@pytest.mark.parametrize("bounds", [{"clip": 2.0**-30}, {"clip": 0.0}, {"max_examples": 0}])
def test_a_round_that_nobody_answers_leaves_no_bounds_to_a_model_that_is_begun_anew(
    bounds: dict[str, Any],
) -> None:
    """The aggregator opens it: else it would choose by how much each update is halved."""
    attack = Voiding()
    attack.settle()
    attack.open("round/3", **bounds)
    assert attack.opening(2).model == attack.opening(3).model
    attack.begin_anew(3)
    attack.open("round/4")
    assert attack.opening(2).model == attack.opening(4).model
    assert attack.bounds(4) == attack.bounds(2) == (0.5, 10_000)


# ── updates from one model that are not alike ──


def test_an_update_from_the_same_model_is_halved_as_often_as_the_last_one() -> None:
    """Though it would fit: an app that draws at random may be just below the bound, then above."""
    attack = Voiding()
    attack.honest[VICTIM].target /= 4
    attack.play("round/3")
    assert attack.events(3, "scaled") == [VICTIM]


def test_one_that_would_be_halved_more_often_is_not_contributed_and_another_model_is() -> None:
    attack = Voiding()
    attack.honest[VICTIM].target *= 4
    attack.settle()
    attack.open("round/3")
    attack.settle()
    assert attack.events(3, "halved-more") == [VICTIM]
    assert VICTIM not in attack.view("round/3").contributions
    assert not attack.disks[VICTIM].names("outbox/blob-")


# ── what is remembered of being wronged ──


class Varying(Honest):
    """Needs the widest bound, but changes next to nothing when it is quiet."""

    quiet = False

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        if self.quiet:
            return [parameters[0] + 0.01], self.examples, {}
        return super().fit(parameters, config)


def through_a_quiet_round(lies: bool) -> Attack:
    """Three rounds; in the second the victim changes little, in the first its mark may be taken."""
    attack = narrowed(of=(VICTIM,))
    varying = Varying(VICTIM)
    varying.target *= 4
    attack.honest[VICTIM] = varying
    attack.hear(VICTIM, varying)
    lie = attack.evil.lie
    for number in (1, 2, 3):
        varying.quiet = number == 2
        is_lying = lies and number == 1
        attack.evil.lie = lie if is_lying else lambda tally, own: np.zeros(tally.slots, int)
        attack.play(f"round/{number}")
    return attack


@pytest.mark.parametrize("lies", [False, True])
def test_a_quiet_round_narrows_nothing_for_the_next_whoever_lied_before(lies: bool) -> None:
    attack = through_a_quiet_round(lies)
    assert attack.events(1, "uncounted") == ([VICTIM] if lies else [])
    assert not attack.events(3, "scaled")
    assert attack.bounds(3)[0] == 1.0


def test_who_was_put_back_from_a_backup_cannot_tell_and_believes_no_counts() -> None:
    attack = Attack()
    attack.settle()
    attack.open("round/1")
    attack.settle()
    attack.disks[VICTIM].delete("last-contribution")
    attack.close("round/1")
    attack.settle()
    stated = {m: s.clip for m, s in attack.view("round/1").statements.items()}
    assert stated[VICTIM] == 1.0
    assert {stated[m] for m in (1, 3)} == {0.5}
    assert not attack.events(1, "uncounted")
