"""Rows of field elements against the same arithmetic on one number after the other."""

import hashlib

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.ceremony.lanes import Lanes, evaluate_row, lanes

EXPONENTS = [521, 607, 1279]
SPARE = 40
rows = st.builds(lanes, st.sampled_from(EXPONENTS), st.integers(1, 12))


@st.composite
def filled(draw, bound_bits: int = 0, number: int = 1):
    """A row type and ``number`` lists of numbers below 2^(e + bound_bits) for it, edges often."""
    row = draw(rows)
    top = 2 ** (row.exponent + bound_bits)
    edges = [0, 1, int(row.prime) - 1, int(row.prime), top - 1]
    element = st.one_of(st.sampled_from(edges), st.integers(0, top - 1)).map(mpz)
    values = st.lists(element, min_size=row.count, max_size=row.count)
    return row, *(draw(values) for _ in range(number))


@given(filled(bound_bits=SPARE))
def test_what_is_joined_is_split_into_the_same(drawn):
    row, values = drawn
    assert row.split(row.join(values)) == values


@given(filled(bound_bits=SPARE))
def test_a_lane_takes_its_own_bytes_and_no_others(drawn):
    row, values = drawn
    data = row.encode(row.join(values))
    assert len(data) == row.size == row.width * row.count
    for k, value in enumerate(values):
        assert int.from_bytes(data[k * row.width : (k + 1) * row.width], "little") == value


@given(filled())
def test_encoded_rows_are_decoded_into_the_same(drawn):
    row, values = drawn
    joined = row.join(values)
    assert row.decode(row.encode(joined)) == joined


@pytest.mark.parametrize("exponent", [*EXPONENTS, 2203, 4423, 9689])
def test_a_lane_has_forty_bits_to_spare(exponent):
    row = Lanes(exponent, 3)
    assert exponent + SPARE <= 8 * row.width < exponent + SPARE + 8
    assert row.prime == 2**exponent - 1


@given(filled(bound_bits=SPARE))
def test_reducing_is_taking_every_lane_modulo_the_prime(drawn):
    row, values = drawn
    reduced = row.reduce(row.join(values))
    assert row.is_reduced(reduced)
    for value, found in zip(values, row.split(reduced), strict=True):
        assert 0 <= found <= row.prime
        assert found % row.prime == value % row.prime


@given(filled(number=2))
def test_adding_rows_adds_every_lane(drawn):
    row, left, right = drawn
    total = row.split(row.reduce(row.join(left) + row.join(right)))
    for a, b, c in zip(left, right, total, strict=True):
        assert c % row.prime == (a + b) % row.prime


@given(filled())
def test_a_row_and_its_negative_add_up_to_zero(drawn):
    row, values = drawn
    values = [min(value, row.prime) for value in values]
    negative = row.negate(row.join(values))
    assert row.is_reduced(negative)
    for value, found in zip(values, row.split(negative), strict=True):
        assert found == row.prime - value
    assert all(x % row.prime == 0 for x in row.split(row.reduce(row.join(values) + negative)))


@given(filled(number=4), st.integers(1, 16), st.integers(1, 4))
def test_a_polynomial_in_rows_is_evaluated_in_every_lane(drawn, point, terms):
    row, *coefficients = drawn
    coefficients = coefficients[:terms]
    found = row.split(evaluate_row([row.join(c) for c in coefficients], point, row))
    for lane, value in enumerate(found):
        expected = sum(c[lane] * mpz(point) ** k for k, c in enumerate(coefficients))
        assert 0 <= value <= row.prime
        assert value % row.prime == expected % row.prime


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_the_steepest_polynomial_of_a_ceremony_stays_within_its_lanes(exponent):
    """Degree 7 at the point 16, every coefficient the largest: no carry into the next lane."""
    row = lanes(exponent, 4)
    full, empty = row.repeat(row.prime), [row.prime, mpz(0), row.prime, mpz(0)]
    assert all(x % row.prime == 0 for x in row.split(evaluate_row([full] * 8, 16, row)))
    found = row.split(evaluate_row([row.join(empty)] * 8, 16, row))
    assert found[1] == found[3] == 0
    largest = [row.prime - 1, mpz(0), row.prime - 1, mpz(0)]
    found = row.split(evaluate_row([row.join(largest)] * 8, 16, row))
    expected = -sum(mpz(16) ** k for k in range(8)) % row.prime
    assert [x % row.prime for x in found] == [expected, 0, expected, 0]


@given(filled(bound_bits=SPARE))
def test_a_row_is_reduced_exactly_if_no_lane_is_above_the_prime(drawn):
    row, values = drawn
    assert row.is_reduced(row.join(values)) == all(value <= row.prime for value in values)


@given(rows, st.data())
def test_one_bit_too_many_in_one_lane_is_seen(row, data):
    lane = data.draw(st.integers(0, row.count - 1))
    bit = data.draw(st.integers(row.exponent, 8 * row.width - 1))
    full = row.repeat(row.prime)
    assert row.is_reduced(full)
    assert not row.is_reduced(full | (mpz(1) << (8 * row.width * lane + bit)))


@given(rows, st.data())
def test_a_random_row_is_the_low_bits_of_its_chunks(row, data):
    chunk = st.binary(min_size=row.width, max_size=row.width)
    chunks = data.draw(st.lists(chunk, min_size=row.count, max_size=row.count))
    found = row.split(row.random(chunks))
    expected = [int.from_bytes(c, "little") % 2**row.exponent for c in chunks]
    assert found == expected
    assert row.is_reduced(row.random(chunks))


@given(rows, st.binary(min_size=32, max_size=32))
def test_an_expanded_row_is_shake_cut_to_the_lanes(row, key):
    data = hashlib.shake_256(key).digest(row.size)
    chunks = [data[k : k + row.width] for k in range(0, row.size, row.width)]
    assert row.expand(key) == row.random(chunks)
    assert row.is_reduced(row.expand(key))


def test_different_keys_expand_to_different_lanes():
    row = lanes(521, 8)
    found = [x for key in (b"a" * 32, b"b" * 32) for x in row.split(row.expand(key))]
    assert len(set(found)) == 16


@given(rows, st.integers(0, 2**521 - 1))
def test_a_repeated_value_is_in_every_lane(row, value):
    assert row.split(row.repeat(mpz(value))) == [value] * row.count


def test_a_number_wider_than_a_lane_is_refused():
    row = lanes(521, 2)
    with pytest.raises(OverflowError):
        row.join([mpz(0), mpz(1) << (8 * row.width)])
    with pytest.raises(OverflowError):
        row.join([mpz(0), mpz(-1)])
    with pytest.raises(OverflowError):
        row.encode(mpz(1) << (8 * row.size))
