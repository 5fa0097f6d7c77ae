"""Digests and numbers."""

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import digest, pack_numbers, unpack_numbers, width_of
from protocol.errors import Malformed

parts = st.lists(st.binary(max_size=12), max_size=4)


@given(first=parts, second=parts)
def test_digests_of_different_lists_differ(first, second):
    assert (digest("d", *first) == digest("d", *second)) == (first == second)


def test_where_a_part_ends_and_what_it_is_for_changes_the_digest():
    found = {
        digest("domain", b"ab", b"c"),
        digest("domain", b"a", b"bc"),
        digest("domain", b"abc"),
        digest("domaina", b"b", b"c"),
        digest("domain", b"", b"ab", b"c"),
        digest("other", b"ab", b"c"),
    }
    assert len(found) == 6


@given(bound=st.integers(2, 2**300), data=st.data())
def test_numbers_come_back(bound, data):
    values = data.draw(st.lists(st.integers(0, bound - 1), max_size=5))
    packed = pack_numbers(map(mpz, values), width_of(mpz(bound)))
    assert unpack_numbers(packed, width_of(mpz(bound)), len(values), mpz(bound), "x") == values


@given(bound=st.integers(2, 2**300))
def test_the_width_is_the_least_that_holds_every_number(bound):
    width = width_of(mpz(bound))
    assert 256 ** (width - 1) <= bound - 1 < 256**width


@pytest.mark.parametrize(
    ("data", "count"), [(b"", 1), (b"\0\1\0", 2), (b"\0\1\0\2", 1), (b"\0\1\0\2\0\3", 2)]
)
def test_another_length_is_refused(data, count):
    with pytest.raises(Malformed) as raised:
        unpack_numbers(data, 2, count, mpz(1_000), "share")
    assert raised.value.what == "share"


@pytest.mark.parametrize("value", [1_000, 1_001, 65_535])
def test_a_number_at_the_bound_or_above_is_refused(value):
    with pytest.raises(Malformed):
        unpack_numbers(b"\0\1" + value.to_bytes(2, "big"), 2, 2, mpz(1_000), "share")
    assert unpack_numbers((999).to_bytes(2, "big"), 2, 1, mpz(1_000), "share") == [999]
