"""Counts of hospitals by size: what is counted, where it lies, and which sums are no counts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshare.errors import BadExamples, BadParameters, BadUpdate
from keyshare.rounds.tally import CHANGE_CLASSES, NO_CHANGE, Counts, Marks, Tally

T = Tally(clip=8.0, max_examples=100_000, members=5, bits=16)

tallies = st.builds(
    Tally,
    clip=st.floats(1e-9, 1e9),
    max_examples=st.integers(1, 1 << 40),
    members=st.integers(1, 200),
    bits=st.integers(8, 40),
)


@st.composite
def hospitals(draw):
    """A tally, and what some of its members changed and have."""
    tally = draw(tallies)
    changes, examples = st.floats(0, tally.clip), st.integers(1, tally.max_examples)
    count = draw(st.integers(1, min(tally.members, 6)))
    return tally, [(draw(changes), draw(examples)) for _ in range(count)]


@given(hospitals())
def test_sums_of_marks_are_histograms(case):
    tally, found = case
    marks = [tally.marks(*one) for one in found]
    counts = tally.read(np.sum([tally.values(m) for m in marks], axis=0), len(marks))
    assert counts is not None
    for k, count in enumerate(counts.change):
        assert count == sum(m.change == k for m in marks)
    for j, count in enumerate(counts.examples):
        assert count == sum(m.examples == j for m in marks)
    assert all(counts.has(m) for m in marks)
    assert counts.largest == (min(m.change for m in marks), max(m.examples for m in marks))


@given(tallies, st.data())
def test_a_hospital_is_in_the_class_of_its_size(tally, data):
    largest = data.draw(st.floats(0, tally.clip))
    examples = data.draw(st.integers(1, tally.max_examples))
    change, size = tally.marks(largest, examples)
    assert largest <= tally.clip * 2.0**-change
    assert change >= NO_CHANGE - 1 or largest > tally.clip * 2.0 ** -(change + 1)
    assert (change == NO_CHANGE) == (largest == 0)
    assert 2 ** (size - 1) < examples <= 2**size
    assert size < tally.example_classes


@pytest.mark.parametrize(
    ("largest", "change"),
    [
        (8.0, 0), (4.000001, 0), (4.0, 1), (math.nextafter(2, 3), 1), (2.0, 2),
        (8 * 2.0**-30, 30), (8 * 2.0**-31, 30), (1e-300, 30), (0.0, 31),
    ],
)  # fmt: skip
def test_classes_of_changes_end_at_powers_of_two_below_the_clip(largest, change):
    assert T.marks(largest, 1).change == change


@pytest.mark.parametrize("largest", [math.nextafter(8, 9), 1e300, -0.1, math.nan, math.inf])
def test_a_change_beyond_the_clip_has_no_class(largest):
    with pytest.raises(BadUpdate):
        T.marks(largest, 1)


@given(tallies)
def test_every_value_lies_within_its_bits(tally):
    for marks in (Marks(0, 0), Marks(CHANGE_CLASSES - 1, tally.example_classes - 1)):
        values = tally.values(marks)
        assert values.shape == (tally.slots,)
        assert values.min() >= 0
        assert values.max() < 1 << tally.bits
        assert int(values.sum()) > 0


def test_counts_lie_densely():
    """32 and 18 counts: 3 bits each for five members, five in 16 bits."""
    assert (T.width, T.example_classes, T.slots) == (3, 18, 10)
    assert Tally(8.0, 100_000, 3, 32).slots == 4
    assert Tally(8.0, 100_000, 16, 20).slots == 13


def test_a_sum_of_all_members_reaches_no_other_count():
    full = Tally(8.0, 100_000, 7, 9)  # 3 counts of 3 bits fill the slot
    marks = [Marks(k % 3, 17) for k in range(7)]
    counts = full.read(np.sum([full.values(m) for m in marks], axis=0), 7)
    assert counts is not None
    assert (counts.change[:3], counts.examples[17]) == ((3, 2, 2), 7)


HONEST = [T.values(Marks(3, 5)), T.values(Marks(4, 5)), T.values(Marks(3, 9))]


@pytest.mark.parametrize("change", [1, -1, 1 << 3, -(1 << 9), 1 << 15, -(1 << 40), 1 << 61])
@pytest.mark.parametrize("slot", range(T.slots))
def test_a_sum_that_no_so_many_honest_hospitals_give_is_refused(slot, change):
    sums = np.sum(HONEST, axis=0)
    assert T.read(sums, 3) is not None
    sums[slot] += change
    assert T.read(sums, 3) is None


@pytest.mark.parametrize("contributors", [1, 2, 4, 5])
def test_counts_of_other_many_contributors_are_refused(contributors):
    assert T.read(np.sum(HONEST, axis=0), contributors) is None


def test_bits_beyond_the_last_count_are_refused():
    tally = Tally(8.0, 1_000, 5, 16)  # 43 counts in 45 places
    sums = tally.values(Marks(3, 5))
    assert tally.read(sums, 1) is not None
    sums[-1] += 1 << (4 * tally.width)
    assert tally.read(sums, 1) is None


def test_a_taken_away_mark_is_missed():
    counts = T.read(np.sum(HONEST, axis=0) + T.values(Marks(0, 5)) - HONEST[1], 3)
    assert counts is not None
    assert not counts.has(Marks(4, 5))
    assert counts.has(Marks(3, 9))
    assert not counts.has(Marks(3, 63))  # read from a damaged file


@pytest.mark.parametrize("examples", [0, -1, 100_001])
def test_examples_out_of_range_are_refused(examples):
    with pytest.raises(BadExamples) as error:
        T.marks(1.0, examples)
    assert (error.value.least, error.value.most) == (1, 100_000)


def test_so_many_members_that_no_count_fits_are_refused():
    assert Tally(8.0, 10, 255, 8).slots == 37
    with pytest.raises(BadParameters, match="members"):
        Tally(8.0, 10, 256, 8)


def test_a_round_is_still_if_no_change_is_above_the_lowest_class():
    still, moved = [0] * 31 + [2], [0] * 30 + [1, 1]
    assert Counts(tuple(still), (2,)).is_still
    assert not Counts(tuple(moved), (2,)).is_still
