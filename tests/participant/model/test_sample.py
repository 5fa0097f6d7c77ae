"""What a sample says of a model that is near to the whole one, or is not."""

import random
from typing import Any

import numpy as np
import pytest

from participant.model import Layout, Model, checked, sample
from participant.model.sample import Nearness, Sample, SampledEntry, sample_of
from participant.training.starts import _is_near
from protocol.encoding import encode
from protocol.errors import Malformed

BOUND = 0.5
NEAR, FAR = Nearness(True), Nearness(False)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few weights are drawn that models of some thousands have to be sampled."""
    monkeypatch.setattr(sample, "EVENLY", 1 << 10)
    monkeypatch.setattr(sample, "BY_SIZE", 1 << 10)


def model(**entries: Any) -> Model:
    arrays = {name: np.asarray(values) for name, values in entries.items()}
    return Model.of(checked(arrays, Layout.of(arrays), "initial_parameters"))


def moved(entry: Any, share: float, draw: random.Random) -> Any:
    """So many of the weights stay near; which ones, is drawn."""
    far = draw.sample(range(len(entry)), round((1 - share) * len(entry)))
    found = entry + draw.uniform(-BOUND / 2, BOUND / 2)
    found[far] += 3 * BOUND
    return found


def margin_of(size: int) -> float:
    """As a share of the weights, of a model with one entry."""
    n_drawn = sample.EVENLY + sample.BY_SIZE
    return float(np.sqrt(sample.BITS * np.log(2) / 2 * size**2 / n_drawn) / size)


# ── models that are small enough to be taken whole ──


@pytest.mark.parametrize("seed", range(40))
def test_of_a_small_model_a_sample_says_what_the_model_says(seed: int) -> None:
    draw = random.Random(seed)
    sizes = {name: draw.randint(1, 40) for name in "abc"}
    old = {name: np.array([draw.gauss(0, 1) for _ in range(n)]) for name, n in sizes.items()}
    new = {name: moved(values, draw.random(), draw) for name, values in old.items()}
    if draw.random() < 0.3:
        new["d"] = new.pop("a")
    if draw.random() < 0.3:
        new["b"] = new["b"][:-1] if len(new["b"]) > 1 else np.zeros(3)
    one, other = model(**old), model(**new)
    exact = _is_near(other, one, BOUND)
    assert sample_of(one).nearness(other, BOUND) == Nearness(exact)


def test_exactly_half_of_a_small_model_is_not_near_and_one_more_weight_is() -> None:
    kept = sample_of(model(a=np.zeros(10)))
    assert kept.nearness(model(a=[0.0] * 5 + [9.0] * 5), BOUND) == FAR
    assert kept.nearness(model(a=[0.0] * 6 + [9.0] * 4), BOUND) == NEAR


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_keep_their_precision(dtype: type) -> None:
    values: np.ndarray = np.array([1 / 3, 1 + 2**-23], dtype)
    (entry,) = sample_of(model(a=values)).entries
    assert np.array_equal(np.frombuffer(entry.values, entry.master), values)


# ── large ones ──


SIZE = 40_000


@pytest.mark.parametrize("share", [k / 50 for k in range(51)])
def test_a_near_model_is_never_called_far_and_one_that_is_far_enough_never_near(
    share: float,
) -> None:
    draw = random.Random(f"{share}")
    old = np.array([draw.gauss(0, 1) for _ in range(SIZE)])
    one, other = model(a=old), model(a=moved(old, share, draw))
    for _ in range(5):
        found = sample_of(one).nearness(other, BOUND)
        assert len(sample_of(one).entries[0].values) < old.nbytes
        if share > 0.5:
            assert found.is_near
        if share < 0.5 - 2 * margin_of(SIZE):
            assert not found.is_near
        if abs(share - 0.5 + margin_of(SIZE)) > 3 * margin_of(SIZE):
            assert not found.is_close


def test_without_the_margin_a_near_model_is_called_far_half_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(1)
    old = np.zeros(SIZE)
    one, other = model(a=old), model(a=moved(old, 0.501, draw))
    assert all(sample_of(one).nearness(other, BOUND).is_near for _ in range(50))
    monkeypatch.setattr(sample, "BITS", 0)
    said = [sample_of(one).nearness(other, BOUND).is_near for _ in range(50)]
    assert 5 < said.count(False) < 45


def test_what_might_have_been_another_answer_is_close() -> None:
    draw = random.Random(2)
    old = np.zeros(SIZE)
    one = model(a=old)
    for share in (0.49, 0.5 - margin_of(SIZE), 0.51):
        assert sample_of(one).nearness(model(a=moved(old, share, draw)), BOUND).is_close
    for share in (0.0, 0.03, 0.8, 1.0):
        assert not sample_of(one).nearness(model(a=moved(old, share, draw)), BOUND).is_close


@pytest.mark.parametrize(("margins", "is_close"), [(-3.3, 0), (-2.5, 1), (0.5, 1), (1.5, 0)])
def test_close_is_what_is_within_two_margins_of_where_answers_change(
    margins: float, is_close: int
) -> None:
    """That is one margin below half. So all between half less two margins and half is close."""
    old, share = np.zeros(SIZE), 0.5 + margins * margin_of(SIZE)
    other = model(a=moved(old, share, random.Random(3)))
    assert sample_of(model(a=old)).nearness(other, BOUND).is_close == bool(is_close)


def test_entries_of_another_name_or_shape_are_not_near() -> None:
    old = np.zeros((200, 200))
    kept = sample_of(model(a=old))
    assert kept.nearness(model(a=old), BOUND) == NEAR
    assert kept.nearness(model(b=old), BOUND) == FAR
    assert kept.nearness(model(a=old.reshape(-1)), BOUND) == FAR


def test_a_small_model_that_is_a_part_of_a_large_one_is_told_by_the_part_alone() -> None:
    large = {f"layer{k}": np.zeros(SIZE) for k in range(4)}
    kept = sample_of(model(**large, head=np.zeros(200)))
    assert kept.nearness(model(head=np.zeros(200), own=np.zeros(100)), BOUND) == NEAR
    assert kept.nearness(model(head=np.full(200, 9.0), own=np.zeros(100)), BOUND) == FAR


def test_where_too_little_was_drawn_to_tell_it_is_near_and_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sample, "EVENLY", 20)
    kept = sample_of(model(large=np.zeros(SIZE), head=np.zeros(200)))
    assert kept.nearness(model(head=np.full(200, 9.0)), BOUND) == NEAR


def test_each_sample_has_places_of_its_own_and_shows_none() -> None:
    one = model(a=np.arange(float(SIZE)))
    (first,), (second,) = sample_of(one).entries, sample_of(one).entries
    assert first.places != second.places
    assert "secret" in repr(first)
    assert repr(np.frombuffer(first.places, "<u4")[0]) not in repr(first)


def test_all_places_are_equally_likely() -> None:
    one = model(a=np.zeros(6_000))
    drawn = [np.frombuffer(sample_of(one).entries[0].places, "<u4") for _ in range(20)]
    counts = np.bincount(np.concatenate(drawn) // 1_000, minlength=6)
    mean = counts.sum() / 6
    assert len(counts) == 6
    assert float(((counts - mean) ** 2 / mean).sum()) < 60  # 5 degrees of freedom: below 2^-35


@pytest.mark.parametrize(
    "entry",
    [
        SampledEntry("a", (10,), "<f8", b"", bytes(72)),  # not whole
        SampledEntry("a", (10,), "<f8", (10).to_bytes(4, "little"), bytes(8)),  # beyond it
        SampledEntry("a", (10,), "<f8", bytes(8), bytes(8)),  # two places, and one weight
        SampledEntry("a", (10,), "<f8", bytes(4), bytes(7)),
        SampledEntry("a", (10,), "<f8", bytes(3), bytes(8)),
    ],
)
def test_what_was_never_drawn_so_is_refused(entry: SampledEntry) -> None:
    with pytest.raises(Malformed, match="sample"):
        Sample(bytes(32), (entry,)).nearness(model(a=np.zeros(10)), BOUND)


def test_a_sample_of_a_large_model_is_small() -> None:
    kept = sample_of(model(**{f"layer{k}": np.zeros(SIZE, np.float32) for k in range(10)}))
    assert len(encode(kept)) < 2 * 8 * (sample.EVENLY + sample.BY_SIZE)
