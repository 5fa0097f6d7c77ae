"""Hospitals that lie about sizes, so that a round's bound or scale fits no honest update.

They break no rule that anyone can check: what a hospital counts itself as is its own word. Were a
bound too small for all, they would blind round after round, and no model would ever be trained.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import pytest

from keyshare.rounds.slots import SlotWriter
from keyshare.rounds.tally import Marks, Tally
from participant.errors import ModelMismatch
from participant.rounds import contribution
from participant.training.bounds import Bounds
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.messages.rounds import Opening, Statement
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import STUDY, training_study
from tests.stage.toy import CeremonyTable, ToyEpoch, finished, toy_federation

LENGTH, EXAMPLES, MOST_EXAMPLES = 24, (11, 29, 64), 10_000
EVIL = len(EXAMPLES) + 1
Lie = Callable[[Tally, Marks], np.ndarray]


class Honest:
    """Goes most of the way to an optimum of its own; all their changes are of class 2."""

    def __init__(self, index: int) -> None:
        self.examples = EXAMPLES[index - 1]
        self.target = np.random.default_rng(index).uniform(-0.2, 0.2, LENGTH)
        self.update = np.zeros(LENGTH)

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(LENGTH)]

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        self.update = 0.8 * (self.target - parameters[0])
        return [parameters[0] + self.update], self.examples, {}

    def evaluate(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        return 0.0, 1, {}


class Still(Honest):
    """Changes nothing, and says that it has as many examples as the plan allows."""

    def __init__(self) -> None:
        super().__init__(1)

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        return parameters, MOST_EXAMPLES, {}


class Liar(TrainingTask):
    """Writes its own numbers where weight and tally lie."""

    lie: Lie
    weight = 0  # added to its own

    def due(self) -> Draft | None:
        honest = SlotWriter.head.fget

        def head(writer: SlotWriter) -> np.ndarray:
            lie = self.lie(writer._slots.tally, writer.marks)
            return np.add(honest(writer), [self.weight, *lie])

        # Negative numbers borrow from the slot above, and give it back when they are added.
        def pack(values: np.ndarray, packing: Any) -> list[int]:
            assert len(values) <= packing.first
            return [sum(int(v) << (k * packing.slot_bits) for k, v in enumerate(values))]

        with (
            mock.patch.object(SlotWriter, "head", property(head)),
            mock.patch.object(contribution, "pack", pack),
        ):
            return super().due()


@cache
def key_of_four() -> ToyEpoch:
    """With room for an update in one ciphertext."""
    return finished(CeremonyTable(toy_federation(EVIL, 3, 960)).run())


class Attack(RoundTable):
    """Three honest hospitals and one that lies."""

    def __init__(self, lie: Lie = lambda tally, marks: np.zeros(tally.slots, int)) -> None:
        toy = key_of_four()
        study = training_study(toy.federation.terms, clip=1.0, max_examples=MOST_EXAMPLES)
        super().__init__(toy, study)
        self.honest = {i: Honest(i) for i in range(1, EVIL)}
        self.told: list[tuple[int, int, str, dict[str, Any]]] = []
        for i, app in self.honest.items():
            self.hear(i, app)
        self.evil = Liar(self.terms, STUDY, self.ring(EVIL), Still(), self.disks[EVIL], b"")
        self.evil.lie = lie
        self.seat(EVIL, self.evil)

    def hear(self, index: int, app: Any) -> None:
        """A hospital at the table, whose reports are kept."""
        self.train(index, app, lambda *said: self.told.append((index, *said)))

    def events(self, number: int, event: str) -> list[int]:
        """Who was told of something in a round."""
        return [i for i, at, what, _ in self.told if (at, what) == (number, event)]

    def bounds(self, number: int) -> tuple[float, int]:
        """With which a round was opened."""
        opening = self.opening(number)
        return opening.clip, opening.max_examples

    def opening(self, number: int) -> Opening:
        opening = self.view(f"study/cardio/{number}").terms_of_opening
        assert opening is not None
        return opening


def test_who_changes_nothing_narrows_no_bound() -> None:
    """As one could when the bound followed the average."""
    attack = Attack()
    for number in (1, 2, 3):
        attack.play(f"study/cardio/{number}")
        assert not attack.events(number, "blinded")
    assert attack.bounds(3)[0] == 0.5  # twice 0.25 >= 0.8 · 0.2


def narrowed(of: tuple[int, ...] = (1, 2, 3)) -> Attack:
    """An attack whose liar takes away the marks of some, and puts as many into a low class."""
    attack = Attack()

    def lie(tally: Tally, own: Marks) -> np.ndarray:
        marks = [tally.marks(np.abs(attack.honest[i].update).max(), 1) for i in of]
        honest = sum(tally.values(Marks(m.change, own.examples)) for m in marks)
        return len(of) * tally.values(Marks(30, own.examples)) - honest

    attack.evil.lie = lie
    return attack


def test_whose_mark_is_taken_away_is_told_and_no_bound_becomes_too_small() -> None:
    attack = narrowed()
    for number in (1, 2, 3):
        attack.play(f"study/cardio/{number}")
        assert attack.events(number, "uncounted") == [1, 2, 3]
        assert not attack.events(number, "blinded")
        assert attack.bounds(number) == (1.0, MOST_EXAMPLES)


def test_one_hospital_that_is_wronged_is_enough() -> None:
    attack = narrowed(of=(2,))
    attack.honest[2].target *= 4  # in a class of its own
    attack.play("study/cardio/1")
    assert attack.events(1, "uncounted") == [2]
    attack.play("study/cardio/2")
    assert attack.bounds(2) == (1.0, MOST_EXAMPLES)
    assert attack.events(2, "widened") == [1, 3]


def test_did_nobody_object_a_liar_would_have_all_updates_outgrow_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lie itself: if this fails, the tests above may pass for another reason."""
    after = Bounds.after
    monkeypatch.setattr(Bounds, "after", lambda bounds, counts, own: after(bounds, counts, None))
    attack = narrowed()
    for number in (1, 2, 3):
        attack.play(f"study/cardio/{number}")
    assert attack.bounds(3)[0] == attack.bounds(2)[0] == 2.0**-29
    assert attack.events(3, "blinded") == attack.events(3, "void") == [1, 2, 3]


def test_who_is_wronged_objects_also_after_a_restart() -> None:
    attack = narrowed()
    attack.settle()
    attack.open("study/cardio/1")
    attack.settle()
    attack.told.clear()
    attack.hear(1, Honest(1))
    attack.close("study/cardio/1")
    attack.settle()
    assert 1 in attack.events(1, "uncounted")
    attack.hear(2, Honest(2))
    stated = attack.view("study/cardio/1").statements
    assert {(s.clip, s.max_examples) for m, s in stated.items() if m != EVIL} == {
        (1.0, MOST_EXAMPLES)
    }


@pytest.mark.parametrize(
    "lie",
    [
        lambda tally, marks: tally.values(Marks(0, 0)),
        lambda tally, marks: -tally.values(marks),
        lambda tally, marks: np.full(tally.slots, 1 << 23),
        lambda tally, marks: np.full(tally.slots, -(1 << 23)),
    ],
)
def test_counts_that_do_not_add_up_give_the_bounds_of_the_plan_and_void_nothing(lie: Lie) -> None:
    attack = Attack(lie)
    attack.play("study/cardio/1")
    assert attack.events(1, "counts-refused") == [1, 2, 3]
    assert not attack.events(1, "void")
    attack.open("study/cardio/2")
    assert attack.bounds(2) == (1.0, MOST_EXAMPLES)


def test_a_lie_raises_the_bound_to_the_plans_at_most() -> None:
    """At the price of precision: the text says that bounds are not robust against liars."""
    attack = Attack(lambda tally, own: tally.values(Marks(0, own.examples)) - tally.values(own))
    attack.play("study/cardio/1")
    attack.play("study/cardio/2")
    assert attack.bounds(2) == (1.0, MOST_EXAMPLES)
    assert not attack.events(2, "blinded")


def test_an_opening_with_smaller_bounds_than_a_member_asked_for_is_answered_by_nobody() -> None:
    attack = narrowed(of=(2,))
    attack.honest[2].target *= 4
    attack.play("study/cardio/1")
    attack.open("study/cardio/2", clip=2.0**-29)
    for index in attack.honest:
        with pytest.raises(ModelMismatch, match="bound"):
            attack.due(index)


def test_who_is_wronged_blinds_in_a_round_that_is_opened_without_its_word() -> None:
    """The aggregator, too, lies: it holds up the word until enough others have stated."""
    attack = narrowed(of=(2,))
    attack.honest[2].target *= 4
    attack.settle()
    attack.open("study/cardio/1")
    attack.settle()
    attack.close("study/cardio/1")
    for _ in range(20):
        for index in (1, 3, EVIL):
            if draft := attack.due(index):
                attack.publish(index, draft)
        if (draft := attack.due(2)) and not isinstance(draft.body, Statement):
            attack.publish(2, draft)
    attack.open("study/cardio/2")
    assert attack.bounds(2)[0] < 1.0
    attack.settle()
    assert attack.events(2, "blinded") == [2]
    assert set(attack.view("study/cardio/2").contributions) == {1, 2, 3, EVIL}
