"""Numbers of a statistic: exact, of one scale, and never beyond the key's range."""

from decimal import Decimal
from fractions import Fraction

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import CorruptSum, UnfitNumber
from keyshare.rounds.statistic import MAX_DECIMALS, decimals_of, decode, encode

N = mpz(2) ** 512 - 569  # any odd number of the size does
MEMBERS = 5
BOUND = (N - 1) // (3 * MEMBERS)
numbers = st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False, places=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=MEMBERS))
def test_a_sum_is_exact(clear):
    total = sum(encode(x, 6, MEMBERS, N) for x in clear) % N
    assert Fraction(decode(total, 6, N)) == sum(map(Fraction, clear))


def test_a_sum_shows_the_decimals_of_its_round():
    assert format(decode(encode(Decimal("1.5"), 3, 1, N), 3, N), "f") == "1.500"
    assert format(decode(encode(Decimal("-1e-3"), 7, 1, N), 7, N), "f") == "-0.0010000"
    assert format(decode(encode(Decimal("8.000"), 0, 1, N), 0, N), "f") == "8"


@pytest.mark.parametrize(
    ("text", "decimals"),
    [("3", 0), ("3.0", 0), ("3.10", 1), ("1e3", 0), ("1e-3", 3), ("-0.50", 1), ("0e-9", 0)],
)
def test_the_decimals_that_a_number_needs(text, decimals):
    assert decimals_of(Decimal(text)) == decimals
    assert encode(Decimal(text), decimals, MEMBERS, N) < N
    if decimals:
        with pytest.raises(UnfitNumber, match=f"needs {decimals} decimals"):
            encode(Decimal(text), decimals - 1, MEMBERS, N)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "sNaN", "1e20000", "1e-20000", "1" * 10_001])
def test_what_no_key_has_room_for_is_refused(text):
    with pytest.raises(UnfitNumber):
        decimals_of(Decimal(text))
    with pytest.raises(UnfitNumber):
        encode(Decimal(text), MAX_DECIMALS, MEMBERS, N)


@pytest.mark.parametrize("sign", [1, -1])
def test_as_many_largest_numbers_as_there_are_members_do_not_wrap(sign):
    largest = Decimal(int(sign * BOUND))
    total = MEMBERS * encode(largest, 0, MEMBERS, N) % N
    assert decode(total, 0, N) == MEMBERS * int(largest)
    with pytest.raises(UnfitNumber, match="with 0 decimals at most 152 digits"):
        encode(Decimal(int(sign * (BOUND + 1))), 0, MEMBERS, N)
    encode(Decimal(sign * (10**152 - 1)), 0, MEMBERS, N)


def test_the_largest_number_is_told_with_the_decimals_of_the_round():
    with pytest.raises(UnfitNumber, match="with 10 decimals at most 142 digits before the point"):
        encode(Decimal(10) ** 143, 10, MEMBERS, N)
    encode(Decimal(10) ** 142 - 1, 10, MEMBERS, N)


@pytest.mark.parametrize("plaintext", [mpz(-1), N, N // 3 + 1, N // 2, 2 * N // 3 - 1])
def test_what_honest_numbers_never_sum_to_is_corrupt(plaintext):
    with pytest.raises(CorruptSum):
        decode(plaintext, 0, N)
