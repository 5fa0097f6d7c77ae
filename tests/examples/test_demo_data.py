"""The demo's images, its network, and the bound on what encryption does to an average."""

from pathlib import Path

import numpy as np
import pytest
import torch

from examples import digits
from examples.demo.measured.precision import error_bound
from examples.demo.study.images import pool, write_images
from protocol.board.suite import suite_of
from protocol.messages.rounds import Opening
from tests.stage.rounds.whole_update import average, quantise
from tests.stage.studies import training_study
from tests.stage.toy import toy_federation


def test_the_network_is_large_enough_for_the_hybrid_suite() -> None:
    parameters = digits.initial_parameters({"seed": 1, "round": 0})
    assert sum(tensor.numel() for tensor in parameters.values()) == 109_410


def test_initial_parameters_depend_on_the_seed_alone() -> None:
    first, again, other = (digits.initial_parameters({"seed": s}) for s in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_every_image_is_at_one_hospital_or_held_out(tmp_path: Path) -> None:
    files, held_out = write_images(tmp_path)
    everything = pool([*files, held_out], tmp_path / "all.npz")
    images, labels = digits.load(str(everything))
    n_held_out = len(digits.load(str(held_out))[1])
    assert images.shape == (1797, 1, 8, 8)
    assert abs(n_held_out - len(labels) / 5) < 10
    by_class = [np.bincount(digits.load(str(f))[1], minlength=10) for f in files]
    assert all(counts.max() > 5 * counts.min() for counts in by_class)


@pytest.mark.parametrize("suite", ["paillier", "hybrid"])
def test_an_honest_average_is_within_the_bound(suite: str) -> None:
    study = training_study(toy_federation(bits=1024).terms, suite=suite)
    opening = Opening(study.digest, bytes(32), bytes(32), 1_000, suite, 0.5, 512)  # type: ignore[arg-type]
    layout = suite_of(opening.suite, study).slots(opening)
    random = np.random.default_rng(1)
    examples = np.array([337.0, 334.0, 298.0, 267.0, 197.0])
    updates = random.uniform(-0.5, 0.5, (5, 1_000))
    slots = [
        quantise(update, int(n), layout, bytes([k] * 32))
        for k, (update, n) in enumerate(zip(updates, examples, strict=True))
    ]
    plain = examples @ updates / examples.sum()
    difference = np.abs(average(np.sum(slots, axis=0), 5, layout) - plain).max()
    bound = error_bound(opening, study, examples, np.zeros(1_000))
    assert difference <= bound < 20 * difference
