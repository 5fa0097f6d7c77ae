"""Quantised updates: bounds, what is refused, and how near the average comes."""

import math
from contextlib import contextmanager
from fractions import Fraction
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keyshare.errors import BadParameters, BadUpdate, CorruptSum
from keyshare.rounds import quantisation as module
from keyshare.rounds.quantisation import Averager, Quantisation, Quantiser, largest_change

Q = Quantisation(clip=1.0, bits=16, max_examples=100)
SPREAD = 16  # steps that rounding stays below

quantisations = st.builds(
    Quantisation,
    clip=st.floats(1e-6, 1e6),
    bits=st.integers(8, 40),
    max_examples=st.integers(1, 1_000_000),
)
ends = st.sampled_from([-1, 0, 1])


@contextmanager
def rounding_at(end):
    """The least that can be drawn (-1) or the most (1), or what the seed gives (0)."""
    if not end:
        yield
        return

    def sample(_, count):
        return np.full(count, 90 * end, dtype=np.int8)

    def uint16(_, count):
        return np.full(count, 0xFFFF if end > 0 else 0, dtype=np.uint16)

    with patch.object(module, "sample", sample), patch.object(module.Keystream, "uint16", uint16):
        yield


def quantise(update, examples, q, end=0, seed=bytes(32)):
    """The slots of a whole update."""
    with rounding_at(end):
        return Quantiser(examples, q, seed).slots(update)


def average(sums, examples, contributors, q):
    """From the sum of the examples, and those of the slots."""
    return Averager(examples, contributors, q).entries(np.array(sums))


@st.composite
def contributions(draw):
    """A quantisation, and some hospitals' (update, number of examples)."""
    q = draw(quantisations)
    length = draw(st.integers(1, 12))
    n = draw(st.integers(1, 6))
    update = hnp.arrays(np.float64, length, elements=st.floats(-q.clip, q.clip))
    examples = st.integers(1, q.max_examples)
    return q, [(draw(update), draw(examples)) for _ in range(n)]


@given(contributions(), ends)
def test_the_average_is_within_sixteen_steps_of_each_of_the_mean_by_examples(case, end):
    q, hospitals = case
    sums = np.sum([quantise(u, e, q, end) for u, e in hospitals], axis=0)
    examples = sum(e for _, e in hospitals)
    plain = np.average([u for u, _ in hospitals], axis=0, weights=[e for _, e in hospitals])
    steps = SPREAD * len(hospitals) * q.max_examples / (examples * q.scale)
    found = average(sums, examples, len(hospitals), q)
    assert np.allclose(found, plain, rtol=0, atol=q.clip * steps)
    assert np.abs(found).max() <= q.clip


@given(contributions(), ends)
def test_every_value_lies_within_its_bits(case, end):
    q, hospitals = case
    for update, examples in hospitals:
        values = quantise(update, examples, q, end)
        assert values.dtype == np.int64
        assert values.shape == update.shape
        assert values.min() >= 0
        assert values.max() <= 2 * q.offset < 2**q.bits
        assert np.abs(values - q.offset).max() < q.steps(examples) + SPREAD


@given(quantisations, st.data())
def test_examples_weigh_as_they_are(q, data):
    """The fewest too: no number is rounded up to a step, or capped."""
    examples = data.draw(st.integers(1, q.max_examples))
    assert q.steps(examples) == pytest.approx(float(Fraction(examples * q.scale, q.max_examples)))
    assert 0 < q.steps(examples) <= q.scale == q.steps(q.max_examples)


@pytest.mark.parametrize("bits", range(8, 41))
def test_the_clip_is_sixteen_steps_from_the_ends_of_the_range(bits):
    q = Quantisation(1.0, bits, 1)
    assert 2 * q.offset + 2 == 2**bits
    assert q.offset - q.scale == SPREAD


def test_the_number_of_examples_weighs():
    sums = quantise(np.array([1.0]), 75, Q) + quantise(np.array([-1.0]), 25, Q)
    assert average(sums, 100, 2, Q)[0] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("clip", [5e-324, 1e308])
def test_no_clip_is_too_small_or_too_large_to_compute_with(clip):
    q = Quantisation(clip, 40, 3)
    values = quantise(np.array([clip, -clip, 0.0]), 3, q)
    found = average(values, 3, 1, q) / clip
    assert found.tolist() == pytest.approx([1, -1, 0], abs=max(SPREAD / q.scale, clip == 5e-324))
    assert np.isfinite(found).all()


def test_the_average_has_these_bits_everywhere():
    # Expected bits follow from IEEE 754: (159 - 2·127)/(13/10 · 111) · 0.3, each rounded once.
    q = Quantisation(0.3, 8, 10)
    got = average(np.array([159, 254 + 13, 254 + 174, 254 - 174]), 13, 2, q).tolist()
    step = 13 / 10 * 111
    expected = [-95 / step * 0.3, 13 / step * 0.3, 0.3, -0.3]  # rounding may pass the clip
    assert [value.hex() for value in got] == [value.hex() for value in expected]


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
    with pytest.raises(BadParameters) as caught:
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
    assert (caught.value.position, caught.value.reason) == (index, kind)


@pytest.mark.parametrize("entry", [math.nextafter(1, 2), -1.1, 1e300, math.nan, math.inf])
def test_a_value_beyond_the_clip_is_refused(entry):
    """Whoever reads the update has seen its largest: it was another then."""
    with pytest.raises(BadUpdate) as caught:
        quantise(np.array([0.0, entry, 1.0]), 10, Q)
    assert caught.value.position == 1


@pytest.mark.parametrize("update", [np.zeros((2, 2)), np.zeros(2, dtype=np.float32), [0.0]])
def test_slots_are_those_of_float64_in_a_row(update):
    with pytest.raises(BadUpdate):
        quantise(update, 10, Q)


@pytest.mark.parametrize("examples", [0, 1, -1, 201, 2**63])
def test_a_number_of_examples_that_no_hospitals_have_is_refused(examples):
    """Two have 2 to 200."""
    for right in (2, 200):
        average(np.array([2 * Q.offset]), right, 2, Q)
    with pytest.raises(CorruptSum) as caught:
        average(np.array([2 * Q.offset]), examples, 2, Q)
    assert caught.value.position == 0


@pytest.mark.parametrize(
    "wrong", [Q.offset + 1_655, Q.offset - 1_655, -(2**63), 2**63 - 1, -1, 2 * Q.offset + 1]
)
def test_a_sum_that_no_contribution_gives_is_refused(wrong):
    """Five of 100 examples are 1,637.55 steps, and rounding adds less than sixteen."""
    for right in (Q.offset + 1_654, Q.offset - 1_654):
        average(np.array([right]), 5, 1, Q)
    with pytest.raises(CorruptSum) as caught:
        average(np.array([Q.offset, wrong]), 5, 1, Q)
    assert caught.value.position == 1


TINY, HUGE = [5e-324, 1e-310, 2.3e-308], [1e300, 1e308, math.nextafter(math.inf, 0)]


@st.composite
def federations(draw):
    """A quantisation, and 2 to 16 hospitals' (entry as a part of the clip, examples, end)."""
    clips = st.sampled_from(TINY + HUGE) | st.floats(5e-324, HUGE[-1])
    most = draw(st.integers(1, 10**9))
    q = Quantisation(draw(clips), draw(st.integers(8, 40)), most)
    ratios = st.sampled_from([-1.0, 1.0]) | st.floats(-1, 1)
    hospital = st.tuples(ratios, st.integers(1, most) | st.just(most), ends)
    alike = st.tuples(hospital, st.integers(2, 16)).map(lambda found: [found[0]] * found[1])
    same_end = st.tuples(st.lists(st.integers(1, most), min_size=2, max_size=16), ends).map(
        lambda found: [(float(found[1] or 1), examples, found[1]) for examples in found[0]]
    )
    return q, draw(alike | same_end | st.lists(hospital, min_size=2, max_size=16))


@settings(max_examples=300)
@given(federations())
def test_what_honest_hospitals_add_is_never_refused(federation):
    """Whatever the bounds, the numbers of examples and what is drawn for each."""
    q, hospitals = federation
    parts = [
        quantise(np.array([ratio * q.clip, 0.0, -q.clip]), examples, q, end)
        for ratio, examples, end in hospitals
    ]
    found = average(np.sum(parts, axis=0), sum(e for _, e, _ in hospitals), len(hospitals), q)
    assert np.abs(found).max() <= q.clip


@pytest.mark.parametrize("contributors", [0, -1, 2**13 + 1])
def test_a_number_of_contributors_that_is_not_exact_is_refused(contributors):
    q = Quantisation(1.0, 40, 1)
    with pytest.raises(BadParameters) as caught:
        average(np.array([contributors * q.offset]), contributors, contributors, q)
    assert caught.value.field == "contributors"


# --- Slice by slice -------------------------------------------------------------------------------


def sliced(update, sizes):
    """The update in slices of those sizes, and what is left."""
    ends = np.cumsum(sizes, dtype=int)
    return np.split(update, ends[ends < len(update)])


@given(contributions(), st.lists(st.integers(0, 7), max_size=5))
def test_the_same_slices_give_the_same_slots(case, sizes):
    q, [(update, examples), *_] = case
    one, again = (Quantiser(examples, q, b"s" * 32) for _ in range(2))
    for part in sliced(update, sizes):
        assert one.slots(part).tolist() == again.slots(part).tolist()


def test_equal_slices_are_rounded_each_for_itself():
    quantiser, update = Quantiser(50, Q, bytes(32)), np.full(100, 0.3)
    assert quantiser.slots(update).tolist() != quantiser.slots(update).tolist()


def test_another_seed_rounds_otherwise():
    update = np.linspace(-1, 1, 1000)
    one, other = (quantise(update, 50, Q, seed=seed) for seed in (bytes(32), b"1" * 32))
    assert np.mean(one != other) > 0.5


@given(contributions(), st.lists(st.integers(0, 7), max_size=5))
def test_slices_give_the_same_average_as_all_at_once(case, sizes):
    q, hospitals = case
    sums = np.sum([quantise(u, e, q) for u, e in hospitals], axis=0)
    of = sum(e for _, e in hospitals), len(hospitals), q
    averager = Averager(*of)
    found = np.concatenate([averager.entries(part) for part in sliced(sums, sizes)])
    assert found.tobytes() == average(sums, *of).tobytes()


def test_a_sum_out_of_range_is_named_by_its_place_in_the_whole_vector():
    averager = Averager(1, 1, Q)
    averager.entries(np.full(5, Q.offset))
    with pytest.raises(CorruptSum) as error:
        averager.entries(np.array([Q.offset, 3 * Q.offset]))
    assert error.value.position == 5 + 1
