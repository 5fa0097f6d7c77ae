"""What a round leaves a hospital with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from participant.errors import BadApp
from participant.layout import Layout
from participant.model import Model
from participant.outcome import Outcome, Standing, load, model_name, next_clip
from participant.weights import checked
from tests.simulator.disk import Disk
from tests.toy import toy_federation

TERMS = toy_federation(clip=8.0, adaptive_clip=True).terms
INITIAL = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2)]
LAYOUT = Layout.of(INITIAL)
BEFORE = Standing(0, Model.of(checked(INITIAL, LAYOUT, "fit")), 8.0)


@pytest.mark.parametrize(
    ("largest", "clip"),
    [(0.1, 0.5), (0.125, 0.5), (math.nextafter(0.125, 1), 1.0), (1.9, 8.0), (5.0, 8.0)],
)
def test_the_next_bound_is_four_times_the_largest_change_up_to_a_power_of_two(largest, clip):
    assert next_clip(TERMS, largest) == clip


def test_the_next_bound_never_vanishes():
    assert next_clip(TERMS, 0.0) == 8.0 * 2.0**-20


def test_a_bound_that_updates_reach_grows_again():
    clip = 0.25
    for _ in range(3):
        clip = next_clip(TERMS, clip)
    assert clip == 8.0


def test_unless_terms_say_otherwise_the_bound_is_theirs_in_every_round():
    terms = toy_federation(clip=8.0).terms
    assert next_clip(terms, 0.001) == 8.0


def test_a_finished_outcome_is_the_next_standing():
    disk = Disk()
    outcome = Outcome(disk, BEFORE, 1)
    outcome.add(np.full(5, 0.5))
    assert disk.read(model_name(1)) is None  # not before it is whole
    outcome.add(np.full(3, -0.25))
    outcome.finish(TERMS)
    found = load(disk, 1, LAYOUT)
    assert found is not None
    assert found.clip == 2.0
    expected = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 4.75, 0.75, 0.75])
    assert np.array_equal(found.model.weights.slice(0, 8), expected)


def test_an_abandoned_outcome_leaves_model_and_bound_as_they_were():
    disk = Disk()
    outcome = Outcome(disk, BEFORE, 1)
    outcome.add(np.full(5, 0.5))
    outcome.abandon(ValueError("corrupt"))
    found = load(disk, 1, LAYOUT)
    assert found is not None
    assert found.clip == BEFORE.clip
    assert found.model.digest == BEFORE.model.digest


def test_a_model_without_its_bound_is_named():
    disk = Disk()
    Outcome(disk, BEFORE, 1).abandon(ValueError("corrupt"))
    disk.delete("models/clip-1")
    with pytest.raises(BadApp, match="clip-1"):
        load(disk, 1, LAYOUT)
