"""Hashes of lists: different lists never run into each other."""

import hashlib

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.digest import Digest, digest, number_bytes


@given(st.lists(st.binary(max_size=12), max_size=5))
def test_a_digest_is_sha_256_over_parts_that_follow_their_lengths(parts):
    data = b"".join(len(part).to_bytes(8, "big") + part for part in (b"domain", *parts))
    assert digest("domain", *parts) == hashlib.sha256(data).digest()


def test_parts_do_not_run_into_each_other():
    lists = [(b"ab",), (b"a", b"b"), (b"", b"ab"), (b"ab", b""), (), (b"",), (b"b", b"a")]
    assert len({digest("domain", *parts) for parts in lists}) == len(lists)
    assert digest("domain") != digest("domai", b"n")


@given(st.integers(0, 2**300))
def test_a_number_has_the_fewest_bytes_that_hold_it(value):
    data = number_bytes(value)
    assert int.from_bytes(data, "big") == value
    assert not data.startswith(b"\0")


@given(st.lists(st.integers(0, 2**300), max_size=9))
def test_numbers_are_hashed_by_their_bytes(values):
    one_by_one, together = Digest("domain"), Digest("domain")
    one_by_one.add(*map(number_bytes, values))
    together.add_numbers(map(mpz, values))
    assert together.value == one_by_one.value


def test_what_is_no_integer_has_no_bytes():
    """1.5 would be hashed as 1."""
    with pytest.raises(TypeError):
        number_bytes(1.5)


def test_a_negative_number_has_no_bytes():
    with pytest.raises(OverflowError):
        number_bytes(-1)
