"""The luck in a ceremony, against ceremonies that are thrown by dice."""

import math
import random

import pytest

from keyshare.ceremony.modulus import expected_candidates
from protocol.ceremony import candidate_steps
from protocol.ceremony import machine as ceremony
from protocol.ceremony.expectation import (
    batches_until,
    is_searching,
    layout_of,
    mean_candidates,
    share_done,
)
from tests.stage.toy import toy_federation

TERMS = toy_federation(3, 2).terms


def thrown(count: int) -> list[int]:
    """Batches of so many ceremonies in which each candidate is good by chance alone."""
    dice, size = random.Random(7), layout_of(TERMS).batch_size
    chance = 1 - (1 - 1 / expected_candidates(TERMS.key_bits, TERMS.n_members)) ** size
    found = []
    for _ in range(count):
        batches = 1
        while dice.random() >= chance:
            batches += 1
        found.append(batches)
    return found


def test_the_mean_is_that_of_ceremonies_by_chance() -> None:
    batches = thrown(20_000)
    mean = sum(batches) / len(batches) * layout_of(TERMS).batch_size
    assert mean_candidates(TERMS) == pytest.approx(mean, rel=0.03)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_who_has_waited_has_no_shorter_wait_before_them(after: int) -> None:
    left = [b - after for b in thrown(20_000) if b > after]
    mean = sum(left) / len(left) * layout_of(TERMS).batch_size
    assert mean_candidates(TERMS) == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize("batches", [0, 1, 2, 5])
def test_the_share_that_is_done_is_that_of_ceremonies_by_chance(batches: int) -> None:
    share = sum(b <= batches for b in thrown(20_000)) / 20_000
    tried = batches * layout_of(TERMS).batch_size
    assert share_done(tried, TERMS) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.999])
def test_the_batches_for_a_share_are_the_fewest_that_reach_it(share: float) -> None:
    size, batches = layout_of(TERMS).batch_size, batches_until(share, TERMS)
    assert share_done(batches * size, TERMS) >= share > share_done((batches - 1) * size, TERMS)


def test_no_number_of_candidates_is_too_large() -> None:
    assert share_done(1 << 80, TERMS) == 1
    assert math.isfinite(mean_candidates(TERMS))


def test_a_ceremony_searches_until_its_first_step_about_one_candidate() -> None:
    names = {kind.name for kind in candidate_steps.STEPS}
    assert {name for name in ceremony.KINDS if is_searching(name)} == names
    assert is_searching("join")
    assert not any(is_searching(name) for name in ("winner-commit", "trial", "certificate", "done"))
