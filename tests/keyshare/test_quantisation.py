"""Quantised updates: bounds, what is refused, and how near the average comes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keyshare.errors import BadQuantisation, BadUpdate, CorruptSum
from keyshare.keystream import Keystream
from keyshare.quantisation import Averager, Quantisation, Quantiser, halvings, largest_change

Q = Quantisation(clip=1.0, bits=16, max_examples=100)

quantisations = st.builds(
    Quantisation,
    clip=st.floats(1e-6, 1e6),
    bits=st.integers(8, 40),
    max_examples=st.integers(1, 1_000_000),
)
finite = st.floats(-1e9, 1e9, allow_nan=False)


def quantise(update, examples, q):
    """The weight, and the slots of a whole update."""
    quantiser = Quantiser(examples, largest_change(update), q)
    return np.array([quantiser.weight, *quantiser.slots(update)])


def average(sums, contributors, q):
    """From the sum of the weights, then those of the slots."""
    return Averager(int(sums[0]), contributors, q).entries(np.array(sums[1:]))


updates = hnp.arrays(np.float64, st.integers(1, 20), elements=finite)


@st.composite
def contributions(draw):
    """A quantisation, and some hospitals' (update, number of examples)."""
    q = draw(quantisations)
    length = draw(st.integers(1, 12))
    n = draw(st.integers(1, 6))
    update = hnp.arrays(np.float64, length, elements=st.floats(-q.clip, q.clip))
    examples = st.integers(1, q.max_examples)
    return q, [(draw(update), draw(examples)) for _ in range(n)]


@given(contributions())
def test_the_average_is_within_a_rounding_step_of_the_weighted_mean(case):
    q, hospitals = case
    sums = np.sum([quantise(u, e, q) for u, e in hospitals], axis=0)
    least = q.max_examples / q.scale  # whoever has fewer weighs as so many
    weights = [max(e, least) for _, e in hospitals]
    plain = np.average([u for u, _ in hospitals], axis=0, weights=weights)
    # Half a step for each contributor in the numerator and in the denominator.
    steps = len(hospitals) / int(sums[0]) + 1e-12
    assert np.allclose(average(sums, len(hospitals), q), plain, rtol=0, atol=q.clip * steps)


@given(quantisations, updates, st.data())
def test_every_value_lies_within_its_bits(q, update, data):
    examples = data.draw(st.integers(1, 2 * q.max_examples))
    values = quantise(update, examples, q)
    assert values.dtype == np.int64
    assert len(values) == len(update) + 1
    assert 1 <= values[0] <= q.scale
    assert values.min() >= 0
    assert values.max() <= 2 * q.scale < 2**q.bits
    assert np.abs(values[1:] - q.scale).max() <= values[0]


@pytest.mark.parametrize(
    ("examples", "weight", "weighed_as"),
    [(1, 1, 8), (3, 1, 8), (4, 1, 4), (16, 2, 16), (1_000, 127, 1_000), (5_000, 127, 1_000)],
)
def test_few_examples_weigh_one_step_and_many_weigh_as_all(examples, weight, weighed_as):
    q = Quantisation(1.0, 8, max_examples=1_000)  # 7.87 examples a step
    assert quantise(np.zeros(1), examples, q)[0] == q.weight(examples) == weight
    assert q.weighed_as(examples) == weighed_as


def test_the_extremes_reach_the_ends_of_the_range():
    values = quantise(np.array([-1.0, 0.0, 1.0]), 100, Q)
    assert values.tolist() == [Q.scale, 0, Q.scale, 2 * Q.scale]


def test_an_update_beyond_the_clip_is_scaled_as_a_whole():
    values = quantise(np.array([-1.5, 1.0, 6.0, 0.25, -1.0]), 50, Q)
    found = average(values, 1, Q)
    assert np.allclose(found, np.array([-1.5, 1.0, 6.0, 0.25, -1.0]) / 8, atol=1e-4)


@given(st.floats(0, 1e308), st.floats(5e-324, 1e308))
def test_an_update_is_halved_as_often_as_it_takes_and_no_more(largest, clip):
    m = halvings(largest, clip)
    assert m >= 0
    assert Fraction(largest) <= Fraction(clip) * 2**m
    assert m == 0 or Fraction(largest) > Fraction(clip) * 2 ** (m - 1)


@given(quantisations, updates)
def test_no_two_entries_that_differ_are_made_alike_by_the_clip(q, update):
    """As cutting would: what is beyond the clip has to keep its place among the others."""
    slots = quantise(update, q.max_examples, q)[1:]
    most, step = q.clip * 2.0 ** halvings(largest_change(update), q.clip), 1.0 / q.scale
    far = np.abs(update[:, None] - update[None, :]) / most > 2 * step
    assert not (far & (slots[:, None] == slots[None, :])).any()


def test_more_examples_than_the_most_weigh_as_the_most():
    assert quantise(np.ones(1), 101, Q).tolist() == quantise(np.ones(1), 100, Q).tolist()


def test_the_number_of_examples_weighs():
    sums = quantise(np.array([1.0]), 75, Q) + quantise(np.array([-1.0]), 25, Q)
    assert average(sums, 2, Q)[0] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("clip", [5e-324, 1e308])
def test_no_clip_is_too_small_or_too_large_to_compute_with(clip):
    q = Quantisation(clip, 40, 3)
    values = quantise(np.array([clip, -clip, 0.0]), 3, q)
    assert average(values, 1, q).tolist() == [clip, -clip, 0.0]


def test_the_average_has_these_bits_everywhere():
    # Expected bits follow from IEEE 754: (5 - 2·127)/100 · 0.3, each operation rounded once.
    q = Quantisation(0.3, 8, 10)
    got = average(np.array([100, 159, 354]), 2, q)
    assert [value.hex() for value in got.tolist()] == [(-95 / 100 * 0.3).hex(), (0.3).hex()]


@pytest.mark.parametrize(
    ("kwargs", "field"),
    [
        ({"clip": 0.0}, "clip"),
        ({"clip": -1.0}, "clip"),
        ({"clip": math.nan}, "clip"),
        ({"clip": math.inf}, "clip"),
        ({"bits": 7}, "bits"),
        ({"bits": 41}, "bits"),
        ({"max_examples": 0}, "max_examples"),
    ],
)
def test_a_quantisation_out_of_range_is_refused(kwargs, field):
    with pytest.raises(BadQuantisation) as caught:
        Quantisation(**{"clip": 1.0, "bits": 16, "max_examples": 100} | kwargs)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("update", "index", "kind"),
    [
        (np.array([0.0, math.nan]), 1, "NaN"),
        (np.array([0.0, 0.0, -math.inf, math.nan]), 2, "infinity"),
        (np.zeros((2, 2)), None, "2 dimensions instead of 1"),
        (np.zeros(2, dtype=np.float32), None, "not an array of float64"),
        (np.zeros(2, dtype=np.int64), None, "not an array of float64"),
        ([0.0], None, "not an array of float64"),
    ],
)
def test_an_update_that_is_not_finite_float64_is_refused(update, index, kind):
    with pytest.raises(BadUpdate) as caught:
        largest_change(update)
    assert (caught.value.index, caught.value.kind) == (index, kind)


@pytest.mark.parametrize(("entry", "index"), [(2.5, 1), (-2.5, 1), (math.nan, 1), (math.inf, 1)])
def test_an_update_that_changes_while_it_is_read_is_refused(entry, index):
    with pytest.raises(BadUpdate) as caught:
        Quantiser(10, 1.25, Q).slots(np.array([0.0, entry]))
    assert caught.value.index == index


@pytest.mark.parametrize("update", [np.zeros((2, 2)), np.zeros(2, dtype=np.float32), [0.0]])
def test_slots_are_those_of_float64_in_a_row(update):
    with pytest.raises(BadUpdate):
        Quantiser(10, 1.0, Q).slots(update)


@pytest.mark.parametrize(
    ("sums", "position"),
    [
        ([0, Q.scale], 0),
        ([-1, Q.scale], 0),
        ([Q.scale + 1, Q.scale], 0),
        ([5, Q.scale, Q.scale + 6], 1),
        ([5, Q.scale - 6], 0),
        ([5, -(2**63)], 0),
        ([5, 2**63 - 1], 0),
    ],
)
def test_a_sum_that_no_contribution_gives_is_refused(sums, position):
    with pytest.raises(CorruptSum) as caught:
        average(np.array(sums, dtype=np.int64), 1, Q)
    assert caught.value.position == position


@pytest.mark.parametrize("contributors", [0, -1, 2**13 + 1])
def test_a_number_of_contributors_that_is_not_exact_is_refused(contributors):
    q = Quantisation(1.0, 40, 1)
    with pytest.raises(BadQuantisation) as caught:
        average(np.array([1, contributors * q.scale]), contributors, q)
    assert caught.value.field == "contributors"


# --- Slice by slice, and rounded by a stream ------------------------------------------------------


class Dither(Keystream):
    """A stream of one word over and over."""

    def __init__(self, word: int) -> None:
        self._word = word

    def uint32(self, count):
        return np.full(count, self._word, dtype=np.uint32)


def sliced(update, sizes):
    """The update in slices of those sizes, and what is left."""
    ends = np.cumsum(sizes)
    return np.split(update, ends[ends < len(update)])


@given(quantisations, updates, st.lists(st.integers(0, 7), max_size=5), st.booleans(), st.data())
def test_slices_give_the_same_slots_as_all_at_once(q, update, sizes, stochastic, data):
    examples = data.draw(st.integers(1, 2 * q.max_examples))
    dithers = [Keystream(bytes(32), "rounding") if stochastic else None for _ in range(2)]
    largest = largest_change(update)
    whole, parts = (Quantiser(examples, largest, q, dither) for dither in dithers)
    expected = whole.slots(update)
    assert np.concatenate([parts.slots(p) for p in sliced(update, sizes)]).tolist() == (
        expected.tolist()
    )
    if not stochastic:
        assert quantise(update, examples, q).tolist() == [whole.weight, *expected.tolist()]


@given(contributions(), st.lists(st.integers(0, 7), max_size=5))
def test_slices_give_the_same_average_as_all_at_once(case, sizes):
    q, hospitals = case
    sums = np.sum([quantise(u, e, q) for u, e in hospitals], axis=0)
    averager = Averager(int(sums[0]), len(hospitals), q)
    found = np.concatenate([averager.entries(part) for part in sliced(sums[1:], sizes)])
    assert found.tobytes() == average(sums, len(hospitals), q).tobytes()


def test_a_sum_out_of_range_is_named_by_its_place_in_the_whole_vector():
    averager = Averager(1, 1, Q)
    averager.entries(np.full(5, Q.scale))
    with pytest.raises(CorruptSum) as error:
        averager.entries(np.array([Q.scale, Q.scale + 2]))
    assert error.value.position == 5 + 1


@pytest.mark.parametrize("value", [0.0, 0.3, -0.3, 1 / 3, 0.999, -1e-6])
def test_stochastic_rounding_is_right_in_the_mean(value):
    count, q = 200_000, Quantisation(clip=1.0, bits=8, max_examples=1)
    slots = Quantiser(1, 1.0, q, Keystream(bytes(32), "mean")).slots(np.full(count, value))
    exact = value * q.scale
    assert set(slots - q.scale) <= {math.floor(exact), math.floor(exact) + 1}
    fraction = exact - math.floor(exact)
    allowed = 5 * math.sqrt(fraction * (1 - fraction) / count) + 2**-32
    assert abs(float((slots - q.scale).mean()) - exact) <= allowed


def test_rounding_to_the_nearest_is_not():
    q = Quantisation(clip=1.0, bits=8, max_examples=1)
    slots = Quantiser(1, 1.0, q).slots(np.full(10, 0.3))
    assert abs(float((slots - q.scale).mean()) - 0.3 * q.scale) == pytest.approx(0.1)


@pytest.mark.parametrize("bits", [8, 16, 24, 32, 40])
@pytest.mark.parametrize("word", [0, 1 << 31, (1 << 32) - 1])
def test_stochastic_rounding_stays_in_range_at_the_clip(bits, word):
    """At 24 bits W + (1 - 2^-32) is no float64, and is W + 1 to the nearest."""
    q = Quantisation(clip=3.0, bits=bits, max_examples=1)
    for most in (3.0, 12.0):
        slots = Quantiser(1, most, q, Dither(word)).slots(np.array([most, -most, 0.0]))
        assert slots.tolist() == [2 * q.scale, 0, q.scale]


@given(quantisations, updates, st.sampled_from([0, 1, 1 << 31, (1 << 32) - 1]))
def test_stochastic_rounding_moves_by_less_than_a_step(q, update, word):
    largest = largest_change(update)
    quantiser = Quantiser(q.max_examples, largest, q, Dither(word))
    slots = quantiser.slots(update)
    exact = update / 2.0**quantiser.halvings / q.clip * quantiser.weight
    assert np.all(np.abs(slots - q.scale - exact) <= 1)
    assert np.abs(slots - q.scale).max() <= quantiser.weight


def test_the_same_stream_rounds_the_same_and_another_otherwise():
    update = np.linspace(-1, 1, 1000)
    seeds = (bytes(32), bytes(32), b"1" * 32)
    one, again, other = (Quantiser(50, 1.0, Q, Keystream(s, "r")).slots(update) for s in seeds)
    assert one.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("clip", [1.0, 0.05])
def test_the_rounding_error_is_what_rounding_changes(stochastic, clip):
    """Root mean square over many entries, beside the weighted mean in the clear."""
    draw, q = np.random.default_rng(5), Quantisation(clip, 16, 1_000)
    examples = [300, 40, 900]
    updates = draw.uniform(-clip, clip, (3, 20_000))
    sums, weight = np.zeros(20_000, dtype=np.int64), 0
    for k, (update, count) in enumerate(zip(updates, examples, strict=True)):
        dither = Keystream(bytes([k]) * 32, "rounding") if stochastic else None
        quantiser = Quantiser(count, clip, q, dither)
        sums, weight = sums + quantiser.slots(update), weight + quantiser.weight
    averager = Averager(weight, 3, q)
    weights = np.array([round(e / 1_000 * q.scale) for e in examples])
    error = averager.entries(sums) - weights @ updates / weights.sum()
    expected = averager.rounding_error(stochastic)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(expected, rel=0.05)
