"""How values are rounded: the law of one, computed from the table, and what sums show beyond Σ y.

k = ⌊y + (s + a + b - 1)/6 + 1/2⌋, with s from the table of the discrete Gaussian, and a and b
uniform in [0, 1). How far laws are apart is their total variation, half of Σ_k |P(k) - Q(k)|.
"""

import math
from functools import cache, reduce
from itertools import combinations_with_replacement, pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray

from keyshare.hybrid.gaussian import TAIL, cumulative, sample
from keyshare.hybrid.keystream import Keystream
from keyshare.rounds.quantisation import Averager, Quantisation, Quantiser
from tests.stage.toy import seed_of

REACH = 17
SUPPORT = np.arange(-REACH, REACH + 1)  # of k, for y from 0 to 1
PARTS = 6
GRID = 96  # parts of a step, so that y is at each sixth and at fifteen places within it
VARIANCE = (6.4**2 + 2 / 12) / PARTS**2 + 1 / 12
Q = Quantisation(1.0, 17, 1)

Law = NDArray[np.float64]


def one(t: Law) -> Law:
    """P(a <= t)."""
    return np.clip(t, 0, 1)


def two(t: Law) -> Law:
    """P(a + b <= t)."""
    t = np.clip(t, 0, 2)
    return np.where(t <= 1, t**2 / 2, 1 - (2 - t) ** 2 / 2)


def law(y: float, below=two, centre: float = 1.0) -> Law:
    """P(k) on SUPPORT, in float64; below, centre: the law of what is added to s, and its mean."""
    ends = [0, *cumulative(), 1 << 128]
    chances = np.array([(b - a) / 2**128 for a, b in pairwise(ends)])
    # k <= K where s + a + b is below 6·(K + 1/2 - y) + centre.
    edges = PARTS * (SUPPORT[:, None] + 0.5 - y) + centre - np.arange(-TAIL, TAIL + 1)
    return np.diff(below(edges), axis=0, prepend=0.0) @ chances


def with_one(y: float) -> Law:
    """With one uniform number beside the Gaussian."""
    return law(y, one, 0.5)


def uniform(y: float) -> Law:
    """Rounded up or down by one uniform number: ⌊y + a⌋."""
    found = np.zeros(len(SUPPORT))
    found[REACH + math.floor(y)], found[REACH + math.floor(y) + 1] = 1 - y % 1, y % 1
    return found


@cache
def laws(of) -> tuple[Law, ...]:
    """Of y = 0, 1/96, …, 95/96."""
    return tuple(of(k / GRID) for k in range(GRID))


def distance(one: Law, other: Law) -> float:
    return float(np.abs(one - other).sum() / 2)


def farthest(of, fractions: list[tuple[int, ...]]) -> float:
    """Between any two laws of Σ k, for values of these fractions (in 96ths), all of one Σ y."""
    sums, n = [], len(fractions[0])
    for each in fractions:
        total, sum_of_fractions = reduce(np.convolve, [laws(of)[k] for k in each]), sum(each)
        sums.append(np.roll(np.pad(total, n), -(sum_of_fractions // GRID)))
    assert len({sum(each) % GRID for each in fractions}) == 1
    return max(float(np.abs(np.array(sums) - each).sum(axis=1).max()) / 2 for each in sums)


def sharing_a_sum(n: int, every: int) -> list[list[tuple[int, ...]]]:
    """Fractions of n values in 96ths, each a multiple of ``every``, for each Σ y modulo 1."""
    found: dict[int, list[tuple[int, ...]]] = {}
    for each in combinations_with_replacement(range(0, GRID, every), n):
        found.setdefault(sum(each) % GRID, []).append(each)
    return list(found.values())


# --- One value ------------------------------------------------------------------------------------


def test_the_law_is_one():
    for each in (law, with_one, uniform):
        assert all(found.sum() == pytest.approx(1, abs=1e-12) for found in laws(each))
        assert all(found.min() >= 0 for found in laws(each))


def test_the_mean_is_the_value():
    means = np.array([found @ SUPPORT for found in laws(law)])
    assert np.abs(means - np.arange(GRID) / GRID).max() < 1.1e-6


def test_the_variance_is_the_same_wherever_a_value_lies():
    for k, found in enumerate(laws(law)):
        assert found @ (SUPPORT - k / GRID) ** 2 == pytest.approx(VARIANCE, abs=1e-4)


def test_with_one_uniform_number_the_variance_would_tell_fractions_of_a_sixth():
    """Why there are two: f(1 - f)/36 for a fraction f, as one uniform number rounds to sixths."""
    at = [float(found @ (SUPPORT - k / GRID) ** 2) for k, found in enumerate(laws(with_one))]
    assert max(at) - min(at) == pytest.approx(1 / 4 / 36, rel=0.02)


def test_no_value_is_moved_by_sixteen_steps():
    assert (TAIL + 1) / PARTS + 1 / 2 < 16
    for k, found in enumerate(laws(law)):
        assert not found[np.abs(SUPPORT - k / GRID) >= 16].any()


# --- What a sum shows beyond Σ y ------------------------------------------------------------------


def test_the_sum_of_two_tells_little_beyond_the_sum_of_their_values():
    assert max(farthest(law, each) for each in sharing_a_sum(2, 1)) < 4e-5


def test_the_sum_of_three_tells_less():
    assert max(farthest(law, each) for each in sharing_a_sum(3, 6)) < 3e-5


EXTREME: list[tuple[int, ...]] = [
    (0,) * 16,
    (8, 88) * 8,
    (48,) * 16,
    (4, 92) * 8,
    (24, 72) * 8,
]  # of sixths and of steps


def test_the_sum_of_sixteen_tells_least():
    assert farthest(law, EXTREME) < 1e-6


def test_with_one_uniform_number_sums_would_tell_more_however_many_add_up():
    assert max(farthest(with_one, each) for each in sharing_a_sum(2, 4)) > 0.001
    assert farthest(with_one, EXTREME) > 0.001


def test_rounded_up_or_down_by_one_uniform_number_a_sum_tells_single_values():
    """The control: 0 and 1 add up to 1 for certain, and two halves in half of the cases."""
    assert farthest(uniform, [(0, 0), (48, 48)]) == pytest.approx(0.5)
    assert max(farthest(uniform, each) for each in sharing_a_sum(3, 24)) > 0.3


# --- What is drawn --------------------------------------------------------------------------------


def quantised(update: NDArray[np.float64], *label: str, q: Quantisation = Q) -> NDArray[np.int64]:
    """k, the slots without their offset."""
    return Quantiser(q.max_examples, q, seed_of("rounding", *label)).slots(update) - q.offset


@pytest.mark.parametrize("y", [0.0, 0.0625, 0.3, -1234.5, 40_000.8])
def test_values_are_rounded_by_this_law(y):
    """χ² of the cells of more than 20 values, and of all others together."""
    count = 250_000
    found = quantised(np.full(count, y / Q.scale), str(y)) - math.floor(y)
    expected = law(y - math.floor(y)) * count
    often = expected > 20
    seen = np.array([np.count_nonzero(found == k) for k in SUPPORT[often]])
    cells = [*zip(seen, expected[often], strict=True)]
    cells.append((count - seen.sum(), max(count - expected[often].sum(), 1)))
    assert 5 < len(cells) < 16
    assert sum((o - e) ** 2 / e for o, e in cells) < len(cells) + 5 * math.sqrt(2 * len(cells))


def test_neighbours_are_rounded_independently():
    error = quantised(np.full(250_000, 0.3), "neighbours") - 0.3 * Q.scale
    for apart in (1, 2, 8):
        found = float(np.corrcoef(error[:-apart], error[apart:])[0, 1])
        assert abs(found) < 5 / math.sqrt(len(error))


@pytest.mark.parametrize("side", [-1, 1])
def test_slots_are_the_floor_of_what_is_drawn_for_them(side):
    """From the streams of the seed, a Gaussian and two uniform numbers a value, each to 2^-16.

    The values lie 2^-21 steps below or above where they are rounded up.
    """
    q, count, seed = Quantisation(4.0, 20, 1), 1_000, seed_of("exact")
    s = sample(Keystream(seed, "rounding", 1), count).astype(float)
    words = Keystream(seed, "rounding", 2).uint16(2 * count).astype(float).reshape(2, count)
    uniform = ((words + 0.5).sum(axis=0) + 0.5) / 2**16 - 1  # and half a unit for the floor
    expected = np.random.default_rng(3).integers(-1_000, 1_000, count)
    y = expected - 1 / 2 - (s + uniform) / PARTS + side * 2.0**-21
    found = Quantiser(1, q, seed).slots(y / q.scale * 4.0) - q.offset
    assert found.tolist() == (expected - (side < 0)).tolist()


def test_rounding_is_right_in_the_mean():
    count = 400_000
    for y in (0.0, 1 / 16, -0.3, 127.999):
        error = quantised(np.full(count, y / Q.scale), "mean", str(y)) - y
        assert abs(float(error.mean())) < 5 * math.sqrt(VARIANCE / count)
        assert float(error.var()) == pytest.approx(VARIANCE, rel=5 * math.sqrt(2 / count))


@pytest.mark.parametrize(("examples", "value"), [*product([1, 3, 60], [0.01, -0.0473])])
def test_in_the_mean_a_hospital_adds_the_same_whatever_the_bounds_of_the_round(examples, value):
    """Its examples times its update, also where that is a small part of a step."""
    count = 100_000
    for clip, most in ((0.05, 64), (0.4, 64), (0.05, 1_000), (8.0, 1_000)):
        q = Quantisation(clip, 8, most)
        slots = Quantiser(examples, q, bytes(32)).slots(np.full(count, value))
        step = clip * most / q.scale
        added = float((slots - q.offset).mean()) * step
        assert abs(added - examples * value) <= 5 * step * math.sqrt(VARIANCE / count)


@pytest.mark.parametrize("clip", [1.0, 0.05])
def test_the_rounding_error_is_what_rounding_changes(clip):
    """Root mean square over many entries, beside the weighted mean in the clear."""
    draw, q = np.random.default_rng(5), Quantisation(clip, 16, 1_000)
    examples = [300, 40, 900]
    updates = draw.uniform(-clip, clip, (3, 20_000))
    sums = np.zeros(20_000, dtype=np.int64)
    for k, (update, count) in enumerate(zip(updates, examples, strict=True)):
        sums += Quantiser(count, q, seed_of("error", k)).slots(update)
    averager = Averager(sum(examples), 3, q)
    error = averager.entries(sums) - np.average(updates, axis=0, weights=examples)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(averager.rounding_error, rel=0.02)


@pytest.mark.slow
def test_one_sum_of_many_values_does_not_tell_whether_two_updates_are_alike():
    """Whether a sum is even would tell cos π(y_1 - y_2) in the mean, were the Gaussian narrower."""
    count, means = 1 << 23, []
    for apart in (0, 1):  # steps
        even, at = 0, [(0.3 + apart) / 2, (0.3 - apart) / 2]
        writers = [Quantiser(1, Q, seed_of("alike", apart, k)) for k in (1, 2)]
        for _ in range(8):
            slots = [
                writer.slots(np.full(count // 8, y / Q.scale))
                for writer, y in zip(writers, at, strict=True)
            ]
            even += int((sum(slots) % 2 == 0).sum())
        means.append(2 * even / count - 1)
    assert abs(means[0] - means[1]) < 4 * math.sqrt(2 / count)
