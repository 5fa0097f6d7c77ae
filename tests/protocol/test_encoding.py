"""Digests and numbers."""

import subprocess
import sys

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


READS = """
import sys, threading
from protocol.encoding import Message, decode, encode

sys.setswitchinterval(1e-6)

def fresh():
    class Inner(Message): number: "int"; data: "bytes"
    globals()["Inner"] = Inner
    class Outer(Message): first: "Inner"; second: "tuple[Inner, ...]"; last: "int"
    return Outer, encode(Outer(Inner(1, b""), (), 3))

for _ in range(500):
    kind, data = fresh()
    together = threading.Barrier(3)
    def read():
        together.wait()
        decode(data, kind, "message", 100)
    threads = [threading.Thread(target=read) for _ in range(3)]
    for each in threads: each.start()
    for each in threads: each.join()
"""


def test_threads_may_read_a_kind_of_message_for_the_first_time_at_once() -> None:
    assert subprocess.run([sys.executable, "-c", READS], check=False, timeout=60).returncode == 0
