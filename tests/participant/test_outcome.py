"""What a round leaves a hospital with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keyshare.tally import CHANGE_CLASSES, Counts, Marks
from participant.bounds import Bounds
from participant.layout import Layout
from participant.model import Model
from participant.model_errors import DamagedModel
from participant.model_file import model_name
from participant.outcome import Outcome, Standing, load
from participant.weights import checked
from protocol.messages import Opening
from tests.simulator.disk import Disk
from tests.toy import toy_federation

TERMS = toy_federation(clip=8.0, max_examples=100_000).terms
INITIAL = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2)]
LAYOUT = Layout.of(INITIAL)
OPENING = Opening("training", bytes(32), bytes(32), 8, "paillier", 4.0, 64)
BEFORE = Standing(0, Model.of(checked(INITIAL, LAYOUT, "fit")), Bounds((2,), (5,)))


def counts(change: int, examples: int) -> Counts:
    """Of a round with two contributors, one of them as small as can be."""
    found = [0] * CHANGE_CLASSES, [0] * 18
    for classes, own, least in zip(found, (change, examples), (CHANGE_CLASSES - 1, 0), strict=True):
        classes[own] += 1
        classes[least] += 1
    return Counts(tuple(found[0]), tuple(found[1]))


def test_a_finished_outcome_is_the_next_standing():
    disk = Disk()
    outcome = Outcome(disk, BEFORE, 1, OPENING)
    outcome.add(np.full(5, 0.5))
    assert disk.read(model_name(1)) is None  # not before it is whole
    outcome.add(np.full(3, -0.25))
    outcome.finish(counts(4, 9), Marks(4, 9))
    found = load(disk, 1, LAYOUT)
    assert found is not None
    assert found.bounds == Bounds((2, 4), (5, 9))
    assert outcome.root_mean_square == pytest.approx(np.sqrt((5 * 0.25 + 3 / 16) / 8))
    expected = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 4.75, 0.75, 0.75])
    assert np.array_equal(found.model.weights.slice(0, 8), expected)


def test_an_abandoned_outcome_leaves_the_model_and_fixes_the_bounds_it_was_opened_with():
    disk = Disk()
    outcome = Outcome(disk, BEFORE, 1, OPENING)
    outcome.add(np.full(5, 0.5))
    outcome.abandon(ValueError("corrupt"))
    found = load(disk, 1, LAYOUT)
    assert found is not None
    assert found.bounds == Bounds((2,), (5,), (4.0, 64))
    assert found.model.digest == BEFORE.model.digest


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (0.0, None, None),  # rounding has swallowed all updates
        (0.0, (2.0, 8), (2.0, 8)),  # again, but another sum from this model is open
        (1e-30, None, (4.0, 64)),  # the model is too coarse for what is known now
        (1e-30, (4.0, 64), (4.0, 64)),
        (0.25, None, None),
        (0.25, (4.0, 64), None),
    ],
)
def test_bounds_are_fixed_where_a_sum_is_open_from_a_model_that_stays(change, before, after):
    disk = Disk()
    outcome = Outcome(disk, replace(BEFORE, bounds=Bounds((2,), (5,), before)), 1, OPENING)
    outcome.add(np.array([0.0, change, *[0.0] * 6]))
    outcome.finish(counts(4, 9), Marks(4, 9))
    found = load(disk, 1, LAYOUT)
    assert found is not None
    assert found.bounds == Bounds((2, 4), (5, 9), after)
    if after:
        assert (found.bounds.clip(TERMS), found.bounds.max_examples(TERMS)) == after


def test_a_model_without_its_bounds_is_named():
    disk = Disk()
    Outcome(disk, BEFORE, 1, OPENING).abandon(ValueError("corrupt"))
    disk.delete("models/bounds-1")
    with pytest.raises(DamagedModel, match="bounds-1"):
        load(disk, 1, LAYOUT)


# ── what bounds follow ──


def test_the_first_round_has_the_bounds_of_the_terms():
    assert Bounds().clip(TERMS) == 8.0
    assert Bounds().max_examples(TERMS) == 100_000


@pytest.mark.parametrize(("change", "clip"), [(0, 8.0), (1, 8.0), (2, 4.0), (7, 0.125)])
def test_the_next_bound_is_twice_the_largest_change(change, clip):
    assert Bounds().after(counts(change, 3), None).clip(TERMS) == clip


@pytest.mark.parametrize(("examples", "most"), [(0, 1), (5, 32), (16, 65_536), (17, 100_000)])
def test_the_next_scale_is_that_of_the_largest_hospital(examples, most):
    assert Bounds().after(counts(3, examples), None).max_examples(TERMS) == most


def test_bounds_follow_at_once_what_grows_and_after_three_rounds_what_shrinks():
    bounds, clips, most = Bounds(), [], []
    for change, examples in [(9, 5), (4, 12), (9, 5), (9, 5), (9, 5)]:
        bounds = bounds.after(counts(change, examples), Marks(change, examples))
        clips.append(bounds.clip(TERMS))
        most.append(bounds.max_examples(TERMS))
    small = 8 * 2.0**-8
    assert clips == [small, 1.0, 1.0, 1.0, small]
    assert most == [32, 4_096, 4_096, 4_096, 32]


def test_rounds_in_which_nobody_changed_anything_tell_nothing_of_the_next():
    bounds = Bounds().after(counts(4, 5), None)
    for _ in range(5):
        bounds = bounds.after(counts(CHANGE_CLASSES - 1, 5), None)
    assert bounds.clip(TERMS) == 1.0
    assert Bounds().after(counts(CHANGE_CLASSES - 1, 5), None).clip(TERMS) == 8.0


@pytest.mark.parametrize(
    ("found", "own"), [(None, None), (counts(9, 5), Marks(4, 5)), (counts(9, 5), Marks(9, 6))]
)
def test_who_is_wronged_by_the_counts_asks_for_the_bounds_of_the_terms(found, own):
    """For as long as the round is remembered in which all others have counted it too low."""
    bounds = Bounds().after(counts(9, 5), Marks(9, 5)).after(found, own)
    for _ in range(3):
        assert (bounds.clip(TERMS), bounds.max_examples(TERMS)) == (8.0, 100_000)
        bounds = bounds.after(counts(9, 5), Marks(9, 5))
    assert (bounds.clip(TERMS), bounds.max_examples(TERMS)) == (8 * 2.0**-8, 32)
