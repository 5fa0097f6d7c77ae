"""The slots of a round: where weight, tally and model lie, at once and slice by slice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshare.errors import BadExamples, BadUpdate, CorruptSum
from keyshare.rounds.quantisation import Quantisation
from keyshare.rounds.slots import SlotReader, Slots, SlotWriter
from keyshare.rounds.tally import CHANGE_CLASSES, NO_CHANGE, Marks, Tally
from tests.stage.rounds.whole_update import average, quantise

TERMS = Tally(8.0, 1_000, 5, 16)


def slots_of(length: int, clip: float = 0.5, examples: int = 64, together: int = 1) -> Slots:
    """Of a later round, unless told: its bounds are below the terms'."""
    return Slots(Quantisation(clip, 16, examples), TERMS, length, together)


def writer_of(slots: Slots, num_examples: int, largest: float) -> SlotWriter:
    return slots.writer(num_examples, largest, bytes(32))


SLOTS = slots_of(7)
UPDATES = [np.linspace(-0.4, 0.3, 7), np.linspace(0.5, -0.25, 7), np.zeros(7)]
EXAMPLES = [30, 64, 33]
FIRST = slots_of(7, 8.0, 1_000)  # a first round, whose bounds are the terms'


def summed(slots: Slots = SLOTS) -> np.ndarray:
    found = [quantise(u, n, slots) for u, n in zip(UPDATES, EXAMPLES, strict=True)]
    return np.sum(found, axis=0)


def test_the_head_is_the_number_of_examples_and_the_tally():
    values = quantise(UPDATES[0], EXAMPLES[0], SLOTS)
    assert (SLOTS.head, SLOTS.count) == (1 + SLOTS.tally.slots, len(values))
    assert values[0] == 30
    marks = SLOTS.tally.marks(0.4, 30)
    assert values[1 : SLOTS.head].tolist() == SLOTS.tally.values(marks).tolist()


@given(st.integers(8, 40), st.integers(1, 10**9), st.data())
def test_a_number_of_examples_takes_as_many_slots_as_it_has_bits_for(bits, most, data):
    slots = Slots(Quantisation(8.0, bits, most), Tally(8.0, most, 5, bits), 7)
    examples = data.draw(st.lists(st.integers(1, most) | st.just(most), min_size=1, max_size=5))
    heads = [writer_of(slots, count, 0.0).head for count in examples]
    assert all(head.min() >= 0 and head.max() < 1 << bits for head in heads)
    parts = np.sum(heads, axis=0)[: slots.counted].tolist()
    assert sum(part * 2 ** (bits * k) for k, part in enumerate(parts)) == sum(examples)
    reader = slots.reader(len(examples))
    reader.take_head(np.sum(heads, axis=0))  # the sum of the examples is the reader's as well
    step = 8.0 * most / (slots.quantisation.scale * sum(examples))
    assert reader.rounding_error == pytest.approx(
        step * math.sqrt((6.4**2 / 36 + 1 / 12 + 1 / 216) * len(examples))
    )


@pytest.mark.parametrize("together", range(1, 14))
def test_the_head_is_padded_with_zeros_to_what_is_blinded_together(together):
    """So that no entry of the model lies with the head in what is not blinded."""
    plain, padded = SLOTS, slots_of(7, together=together)
    assert padded.head == next(k for k in range(plain.head, 100) if k % together == 0)
    assert padded.count == padded.head + 7
    values, expected = (quantise(UPDATES[0], 30, slots) for slots in (padded, plain))
    assert values[: plain.head].tolist() == expected[: plain.head].tolist()
    assert not values[plain.head : padded.head].any()
    assert values[padded.head :].tolist() == expected[plain.head :].tolist()
    reader = padded.reader(3)
    sums = summed(padded)
    reader.take_head(sums[: padded.head])
    assert reader.counts is not None
    assert reader.take(sums[padded.head :]).tobytes() == average(summed(), 3, plain).tobytes()


# --- What fits the bounds of a round --------------------------------------------------------------


@pytest.mark.parametrize(
    ("largest", "fits"),
    [
        (0.0, True), (1e-300, True), (0.25, True), (0.4, True), (0.5, True),
        (math.nextafter(0.5, 1), False), (0.500001, False), (8.0, False),
    ],
)  # fmt: skip
def test_an_update_fits_up_to_the_clip_of_the_round(largest, fits):
    assert writer_of(SLOTS, 64, largest).fits == fits
    assert writer_of(FIRST, 64, largest).fits


@pytest.mark.parametrize(
    ("examples", "fits"), [(1, True), (33, True), (64, True), (65, False), (1_000, False)]
)
def test_examples_fit_up_to_the_most_of_the_round(examples, fits):
    assert writer_of(SLOTS, examples, 0.1).fits == fits
    assert writer_of(FIRST, examples, 0.1).fits


def test_the_last_class_of_examples_ends_where_the_terms_do():
    """1,000 is no power of two: whoever has so many fits where the round allows them."""
    assert writer_of(slots_of(7, examples=1_000), 1_000, 0.1).fits
    assert not writer_of(slots_of(7, examples=999), 999, 0.1).fits  # of the class up to 1,000


def test_classes_fit_if_all_that_is_in_them_does():
    """A bound within a class: what fits is for whoever reads the counts to know as well."""
    slots = slots_of(7, clip=0.4, examples=50)
    assert not writer_of(slots, 50, 0.1).fits  # of the class of 33 to 64
    assert not writer_of(slots, 32, 0.3).fits  # of the class above 0.25
    assert writer_of(slots, 32, 0.25).fits


@given(
    st.integers(0, CHANGE_CLASSES - 1), st.integers(0, 10),
    st.floats(2.0**-24, 8.0), st.integers(1, 1_000),
)  # fmt: skip
def test_what_fits_is_within_the_bounds_and_what_is_smaller_fits_too(change, j, clip, examples):
    slots, marks = slots_of(7, clip, examples), Marks(change, j)
    if slots.fits(marks):
        assert change == NO_CHANGE or 8 / 2**change <= clip
        assert min(2**j, 1_000) <= examples
        smaller = Marks(min(change + 1, NO_CHANGE), max(j - 1, 0))
        assert slots.fits(smaller)
    elif change != NO_CHANGE:
        assert 8 / 2**change > clip or min(2**j, 1_000) > examples


@given(st.floats(0, 8.0), st.integers(1, 1_000), st.integers(0, 5), st.integers(0, 10))
def test_an_update_that_fits_is_added_as_it_is_times_its_examples(largest, examples, k, j):
    """The same multiple of it under all bounds that it fits, to less than twelve steps."""
    slots = slots_of(3, 8 / 2**k, min(2**j, 1_000))
    writer = writer_of(slots, examples, largest)
    assert writer_of(FIRST, examples, largest).fits
    assert writer.marks == TERMS.marks(largest, examples)
    assert writer.head[0] == examples
    if writer.fits:
        q = slots.quantisation
        update, step = np.array([largest, -largest, largest / 2]), q.clip * q.max_examples / q.scale
        added = (writer.entries(update) - q.offset) * step
        assert np.allclose(added, examples * update, rtol=0, atol=12 * step)


def test_a_change_beyond_the_clip_of_the_terms_is_refused():
    with pytest.raises(BadUpdate):
        writer_of(FIRST, 500, math.nextafter(8, 9))


def test_what_does_not_fit_is_counted_all_the_same():
    writer = writer_of(SLOTS, 500, 2.0)
    assert (writer.fits, writer.marks) == (False, TERMS.marks(2.0, 500))
    assert writer.head[1:].tolist() == TERMS.values(writer.marks).tolist()
    assert writer.head[0] == 500


@pytest.mark.parametrize(("largest", "examples"), [(0.5 * 1.01, 64), (0.5, 65)])
def test_an_update_of_more_than_the_round_allows_does_not_fit(largest, examples):
    assert writer_of(SLOTS, 64, 0.5).fits
    assert not writer_of(SLOTS, examples, largest).fits


# --- The sum --------------------------------------------------------------------------------------


def test_the_average_is_that_of_the_updates_by_examples():
    sums, reader = summed(), SLOTS.reader(3)
    reader.take_head(sums[: SLOTS.head])
    found = reader.take(sums[SLOTS.head :])
    expected = np.average(UPDATES, axis=0, weights=EXAMPLES)
    steps = 127 * 32_755 / 64  # from 0 to the clip of 0.5
    assert np.allclose(found, expected, rtol=0, atol=3 * 12 * 0.5 / steps)
    assert found.tobytes() == average(sums, 3, SLOTS).tobytes()
    assert reader.counts is not None
    assert not reader.is_outgrown
    assert reader.counts.largest == TERMS.marks(0.5, 64)


@given(st.lists(st.integers(0, 9), max_size=4))
def test_slices_give_the_same_average_as_all_at_once(sizes):
    sums, reader = summed(), SLOTS.reader(3)
    reader.take_head(sums[: SLOTS.head])
    ends, entries = np.cumsum(sizes, dtype=int), sums[SLOTS.head :]
    found = [reader.take(part) for part in np.split(entries, [e for e in ends if e < len(entries)])]
    assert np.concatenate(found).tobytes() == average(sums, 3, SLOTS).tobytes()


def test_counts_that_do_not_add_up_void_no_average():
    sums = quantise(UPDATES[0], 30, SLOTS)
    expected = average(sums, 1, SLOTS)
    sums[1] += 1
    reader = SLOTS.reader(1)
    reader.take_head(sums[: SLOTS.head])
    assert (reader.counts, reader.is_outgrown) == (None, False)
    assert reader.take(sums[SLOTS.head :]).tobytes() == expected.tobytes()


updates = st.tuples(st.floats(0, 8.0), st.integers(1, 1_000))


@given(st.lists(updates, min_size=1, max_size=5), st.integers(0, 5), st.integers(0, 10))
def test_a_sum_is_outgrown_if_somebody_did_not_fit(hospitals, k, j):
    slots = slots_of(7, 8 / 2**k, min(2**j, 1_000))
    writers = [writer_of(slots, examples, largest) for largest, examples in hospitals]
    reader = slots.reader(len(writers))
    assert not reader.is_outgrown
    reader.take_head(np.sum([writer.head for writer in writers], axis=0))
    assert reader.counts is not None
    assert reader.is_outgrown == any(not writer.fits for writer in writers)


@pytest.mark.parametrize("marks", [TERMS.marks(0.6, 64), TERMS.marks(0.5, 65)])
def test_of_an_outgrown_sum_there_is_no_average(marks):
    """Also where all its numbers are such as updates that fit give."""
    sums = summed()
    average(sums, 3, SLOTS)
    fitting = TERMS.marks(0.5, 64)
    sums[1 : SLOTS.head] += TERMS.values(marks) - TERMS.values(fitting)
    reader = SLOTS.reader(3)
    reader.take_head(sums[: SLOTS.head])
    assert reader.is_outgrown
    with pytest.raises(AssertionError):
        reader.take(sums[SLOTS.head :])


def test_of_an_outgrown_sum_the_number_of_examples_is_not_judged():
    """Nothing is divided by it: the counts say what there is to say."""
    head = writer_of(SLOTS, 64, 0.6).head
    head[0] = 1 << 40
    reader = SLOTS.reader(1)
    reader.take_head(head)
    assert reader.is_outgrown
    head[1:] = TERMS.values(TERMS.marks(0.5, 64))
    with pytest.raises(CorruptSum):
        SLOTS.reader(1).take_head(head)


# --- Where rounding changes more than the updates do ----------------------------------------------


def read_head(slots: Slots, hospitals: list[tuple[float, int]]) -> SlotReader:
    """The reader of a sum of hospitals with these largest changes and numbers of examples."""
    writers = [writer_of(slots, examples, largest) for largest, examples in hospitals]
    reader = slots.reader(len(writers))
    reader.take_head(np.sum([writer.head for writer in writers], axis=0))
    return reader


@pytest.mark.parametrize(
    ("hospitals", "is_coarse"),
    [
        # A step of 0.5·64/32,751 and 1.107 of it: 0.001082, an eighth of 0.00865.
        ([(2.0**-6, 1)], False), ([(0.009, 1)], False), ([(2.0**-7, 1)], True), ([(1e-9, 1)], True),
        # Four examples weigh as four, in a sum of one hospital: 0.000270, an eighth of 0.00216.
        ([(0.003, 4)], False), ([(2.0**-9, 4)], True),
        # Four hospitals of one example: half of one's, 0.000541, an eighth of 0.00433.
        ([(0.005, 1)] * 4, False), ([(2.0**-8, 1)] * 4, True),
        # The largest counts, whoever has it.
        ([(1e-9, 1)] * 3 + [(0.005, 1)], False), ([(0.0, 1)] * 3 + [(2.0**-8, 1)], True),
    ],
)  # fmt: skip
def test_a_sum_is_coarse_from_an_eighth_of_the_largest_class_on(hospitals, is_coarse):
    assert read_head(SLOTS, hospitals).is_coarse == is_coarse


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 64)), min_size=1, max_size=5),
    st.sampled_from([8, 10, 16, 24]),
)
def test_a_sum_is_coarse_as_its_rounding_error_says(hospitals, bits):
    tally = Tally(8.0, 1_000, 5, bits)
    reader = read_head(Slots(Quantisation(0.5, bits, 64), tally, 7), hospitals)
    largest = max(largest for largest, _ in hospitals)
    ends = [8.0 / 2**k for k in range(CHANGE_CLASSES - 1) if largest <= 8.0 / 2**k]
    assert reader.is_coarse == (not largest or 8 * reader.rounding_error >= ends[-1])


def test_a_sum_in_which_nobody_changes_anything_is_coarse():
    """All that it has is rounding."""
    assert read_head(SLOTS, [(0.0, 1)] * 3).is_coarse


@pytest.mark.parametrize(
    ("change", "outliers", "clip", "is_coarse"),
    [
        (0.0005, 1, 0.5, True), (0.02, 1, 0.5, False), (0.0005, 1, 0.125, False),
        (0.0005, 0, 0.5, True), (0.0005, 200, 0.5, True), (0.0005, 1_000, 0.5, False),
    ],
)  # fmt: skip
def test_a_sum_is_coarse_if_it_is_noise_and_finer_bounds_are_to_be_had(
    change, outliers, clip, is_coarse
):
    """Steps of 0.001 or a quarter of it; few large changes do not hide what the others are."""
    slots = Slots(Quantisation(clip, 16, 64), TERMS, 5_000)
    update = np.full(5_000, change)
    update[:outliers] = 0.03
    writer = slots.writer(1, 0.03, bytes(32))
    reader = slots.reader(1)
    reader.take_head(writer.head)
    for start in range(0, 5_000, 1_000):
        reader.take(writer.entries(update[start : start + 1_000]))
    assert reader.is_coarse == is_coarse


def test_changes_below_all_classes_are_noise_however_narrow_the_bounds_are():
    """The narrowest ones are those of the class that has no lower end."""
    least = TERMS.clip * 2.0**-30
    slots = Slots(Quantisation(2 * least, 16, 1), TERMS, 1_000)
    writer, reader = slots.writer(1, least / 2**20, bytes(32)), slots.reader(1)
    reader.take_head(writer.head)
    assert not reader.is_coarse
    reader.take(writer.entries(np.full(1_000, least / 2**20)))
    assert reader.is_coarse


def test_before_its_head_or_without_counts_or_outgrown_a_sum_is_not_coarse():
    reader = SLOTS.reader(1)
    assert not reader.is_coarse
    head = writer_of(SLOTS, 1, 1e-12).head
    head[1] += 1
    reader.take_head(head)
    assert (reader.counts, reader.is_coarse) == (None, False)
    outgrown = read_head(SLOTS, [(1e-12, 65)])
    assert (outgrown.is_outgrown, outgrown.is_coarse) == (True, False)


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("examples", [0, 1_001])
def test_examples_that_the_terms_do_not_allow_are_refused(examples):
    with pytest.raises(BadExamples):
        writer_of(SLOTS, examples, 0.0)


def test_the_values_do_not_show():
    assert "0.0123" not in repr(writer_of(SLOTS, 30, 0.0123))
