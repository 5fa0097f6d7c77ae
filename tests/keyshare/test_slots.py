"""The slots of a round: where weight, tally and model lie, at once and slice by slice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshare.errors import BadExamples, BadUpdate, CorruptSum
from keyshare.quantisation import Quantisation
from keyshare.slots import Slots, average, quantise
from keyshare.tally import Tally


def slots_of(length: int, clip: float = 0.5, examples: int = 64) -> Slots:
    """Of a later round: its bounds are below the terms'."""
    return Slots(Quantisation(clip, 16, examples), Tally(8.0, 1_000, 5, 16), length)


SLOTS = slots_of(7)
UPDATES = [np.linspace(-0.4, 0.3, 7), np.linspace(2, -1, 7), np.zeros(7)]
EXAMPLES = [30, 64, 500]


def test_the_head_is_weight_and_tally():
    values = quantise(UPDATES[0], EXAMPLES[0], SLOTS)
    assert (SLOTS.head, SLOTS.count) == (1 + SLOTS.tally.slots, len(values))
    assert values[0] == round(30 / 64 * SLOTS.quantisation.scale)
    marks = SLOTS.tally.marks(0.4, 30)
    assert values[1 : SLOTS.head].tolist() == SLOTS.tally.values(marks).tolist()


def test_what_was_scaled_and_weighed_as_less_is_counted_as_it_was_before():
    writer = SLOTS.writer(500, 2.0)
    assert writer.marks == SLOTS.tally.marks(2.0, 500)
    assert (writer.halvings, writer.weighed_as) == (2, 64)
    assert writer.head[0] == SLOTS.quantisation.scale
    writer = SLOTS.writer(64, 0.5)
    assert (writer.halvings, writer.weighed_as) == (0, 64)
    assert SLOTS.writer(1, 0.0).halvings == 0
    assert SLOTS.writer(1, 0.0, least=3).halvings == 3


def test_the_average_is_that_of_the_scaled_updates_and_capped_weights():
    sums = np.sum([quantise(u, n, SLOTS) for u, n in zip(UPDATES, EXAMPLES, strict=True)], axis=0)
    reader = SLOTS.reader(3)
    found = reader.take(sums)
    weights = np.array([30, 64, 64])
    expected = weights @ np.array([UPDATES[0], UPDATES[1] / 4, UPDATES[2]]) / weights.sum()
    assert np.allclose(found, expected, rtol=0, atol=1e-4)
    assert found.tobytes() == average(sums, 3, SLOTS).tobytes()
    assert reader.counts is not None
    assert reader.counts.largest == SLOTS.tally.marks(2.0, 500)


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(0, 9))
def test_slices_give_the_same_average_as_all_at_once(sizes, more):
    sums = np.sum([quantise(u, n, SLOTS) for u, n in zip(UPDATES, EXAMPLES, strict=True)], axis=0)
    ends = [SLOTS.head + more, *(SLOTS.head + more + np.cumsum(sizes, dtype=int))]
    reader = SLOTS.reader(3)
    found = [reader.take(part) for part in np.split(sums, [e for e in ends if e < len(sums)])]
    assert np.concatenate(found).tobytes() == average(sums, 3, SLOTS).tobytes()


def test_counts_that_do_not_add_up_void_no_average():
    sums = quantise(UPDATES[0], 30, SLOTS)
    expected = average(sums, 1, SLOTS)
    sums[1] += 1
    reader = SLOTS.reader(1)
    assert reader.take(sums).tobytes() == expected.tobytes()
    assert reader.counts is None


@pytest.mark.parametrize("update", [np.zeros(6), np.zeros(8), np.zeros(0), np.full(7, np.nan)])
def test_an_update_of_another_length_or_without_numbers_is_refused(update):
    with pytest.raises(BadUpdate):
        quantise(update, 10, SLOTS)


@pytest.mark.parametrize("examples", [0, 1_001])
def test_examples_that_the_terms_do_not_allow_are_refused(examples):
    with pytest.raises(BadExamples):
        quantise(np.zeros(7), examples, SLOTS)


@pytest.mark.parametrize(
    "sums", [np.zeros(9), np.zeros((2, 2), np.int64), np.zeros(0, np.int64), np.ones(9, np.int64)]
)
def test_sums_of_another_type_or_shape_are_refused(sums):
    with pytest.raises(CorruptSum):
        average(sums, 1, SLOTS)


def test_the_values_do_not_show():
    assert "0.0123" not in repr(SLOTS.writer(30, 0.0123))
