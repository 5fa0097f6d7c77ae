"""What a round leaves a hospital with."""

import numpy as np
import pytest

from keyshare.rounds.tally import CHANGE_CLASSES, Counts, Marks
from participant.errors import DamagedFile
from participant.model.file import model_name
from participant.model.layout import Layout
from participant.model.master import Model
from participant.model.weights import checked
from participant.training.bounds import Bounds
from participant.training.outcome import Outcome, Standing, load
from tests.simulator.disk import Disk
from tests.stage.studies import STUDY, training_study
from tests.stage.toy import toy_federation

PLANNED = training_study(toy_federation().terms, max_examples=100_000)
INITIAL = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2)]
LAYOUT = Layout.of(INITIAL)
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
    outcome = Outcome(disk, STUDY, BEFORE, 1)
    outcome.add(np.full(5, 0.5))
    assert disk.read(model_name(STUDY, 1)) is None  # not before it is whole
    outcome.add(np.full(3, -0.25))
    outcome.finish(counts(4, 9), Marks(4, 9))
    found = load(disk, STUDY, 1, LAYOUT)
    assert found is not None
    assert found.bounds == Bounds((2, 4), (5, 9))
    assert outcome.root_mean_square == pytest.approx(np.sqrt((5 * 0.25 + 3 / 16) / 8))
    expected = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 4.75, 0.75, 0.75])
    assert np.array_equal(found.model.weights.slice(0, 8), expected)


def stayed(disk: Disk) -> Bounds:
    """The bounds after a round that has left the model as it was."""
    found = load(disk, STUDY, 1, LAYOUT)
    assert found is not None
    assert found.model.digest == BEFORE.model.digest
    return found.bounds


def test_an_abandoned_outcome_leaves_the_model_and_the_bounds():
    disk = Disk()
    outcome = Outcome(disk, STUDY, BEFORE, 1)
    outcome.add(np.full(5, 0.5))
    outcome.abandon(ValueError("corrupt"))
    assert stayed(disk) == BEFORE.bounds


def test_a_forgone_outcome_leaves_the_model_and_bounds_that_have_room():
    disk = Disk()
    Outcome(disk, STUDY, BEFORE, 1).forgo(counts(1, 9), Marks(1, 9))
    assert stayed(disk) == Bounds((2, 1), (5, 9))


def test_a_model_whose_bounds_do_not_read_is_named():
    disk = Disk()
    Outcome(disk, STUDY, BEFORE, 1).abandon(ValueError("corrupt"))
    disk.write("studies/cardio/bounds-1", b"x")
    with pytest.raises(DamagedFile, match="bounds-1"):
        load(disk, STUDY, 1, LAYOUT)


def test_a_model_that_people_have_put_here_has_the_bounds_of_the_plan():
    disk = Disk()
    Outcome(disk, STUDY, BEFORE, 1).abandon(ValueError("corrupt"))
    disk.delete("studies/cardio/bounds-1")
    found = load(disk, STUDY, 1, LAYOUT)
    assert found is not None
    assert (found.is_given, found.bounds) == (True, Bounds())


# ── what bounds follow ──


def test_the_first_round_has_the_bounds_of_the_plan():
    assert Bounds().clip(PLANNED) == 8.0
    assert Bounds().max_examples(PLANNED) == 100_000


@pytest.mark.parametrize(("change", "clip"), [(0, 8.0), (1, 8.0), (2, 4.0), (7, 0.125)])
def test_the_next_bound_is_twice_the_largest_change(change, clip):
    assert Bounds().after(counts(change, 3), None).clip(PLANNED) == clip


@pytest.mark.parametrize(("examples", "most"), [(0, 1), (5, 32), (16, 65_536), (17, 100_000)])
def test_the_next_scale_is_that_of_the_largest_hospital(examples, most):
    assert Bounds().after(counts(3, examples), None).max_examples(PLANNED) == most


def test_bounds_follow_what_shrinks_after_three_rounds():
    bounds, clips, most = Bounds(), [], []
    for change, examples in [(4, 12), (9, 5), (9, 5), (9, 5), (9, 5)]:
        bounds = bounds.after(counts(change, examples), Marks(change, examples))
        clips.append(bounds.clip(PLANNED))
        most.append(bounds.max_examples(PLANNED))
    small = 8 * 2.0**-8
    assert clips == [1.0, 1.0, 1.0, small, small]
    assert most == [4_096, 4_096, 4_096, 32, 32]


def test_rounds_in_which_nobody_changed_anything_tell_nothing_of_the_next():
    bounds = Bounds().after(counts(4, 5), None)
    for _ in range(5):
        bounds = bounds.after(counts(CHANGE_CLASSES - 1, 5), None)
    assert bounds.clip(PLANNED) == 1.0
    assert Bounds().after(counts(CHANGE_CLASSES - 1, 5), None).clip(PLANNED) == 8.0


@pytest.mark.parametrize(
    ("found", "own"), [(None, None), (counts(9, 5), Marks(4, 5)), (counts(9, 5), Marks(9, 6))]
)
def test_who_is_wronged_by_the_counts_asks_for_the_bounds_of_the_plan(found, own):
    """For as long as the round is remembered in which all others have counted it too low."""
    bounds = Bounds().after(counts(9, 5), Marks(9, 5)).after(found, own)
    for _ in range(3):
        assert (bounds.clip(PLANNED), bounds.max_examples(PLANNED)) == (8.0, 100_000)
        bounds = bounds.after(counts(9, 5), Marks(9, 5))
    assert (bounds.clip(PLANNED), bounds.max_examples(PLANNED)) == (8 * 2.0**-8, 32)


@pytest.mark.parametrize("every", [2, 4, 7])
def test_who_needs_more_than_the_others_and_comes_now_and_then_finds_room(every):
    """Else its update would not fit whenever it comes, and be forgotten before it comes again."""
    bounds, fitted = Bounds(), []
    for number in range(1, 1 + 8 * every):
        is_there = number % every == 0
        largest = Marks(2, 12) if is_there else Marks(9, 5)
        has_room = bounds.clip(PLANNED) >= 8 / 2**largest.change
        if is_there:
            fitted.append(has_room and bounds.max_examples(PLANNED) >= 1 << largest.examples)
        bounds = bounds.after(counts(*largest), None)
    assert fitted[1:] == [True] * 7
    assert bounds.clip(PLANNED) == 4.0


def test_what_stood_out_once_is_forgotten_after_eight_rounds():
    bounds, clips = Bounds(), []
    for change in [9, 2, *[9] * 9]:
        bounds = bounds.after(counts(change, 5), None)
        clips.append(bounds.clip(PLANNED))
    small = 8 * 2.0**-8
    assert clips == [small, 8.0, *[4.0] * 7, small, small]  # it may grow by as much again
