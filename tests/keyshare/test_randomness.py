"""The stream of a seed: the vectors, equal draws, ranges, independence of labels."""

from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.randomness import Stream, derive_key
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("randomness")
seeds = st.binary(min_size=32, max_size=32)
labels = st.lists(st.one_of(st.text(max_size=8), st.integers(), st.binary(max_size=8)), max_size=4)


def label_of(spelled: dict[str, str]) -> str | int | bytes:
    """A label as a vector spells it: {"text": …}, {"number": …} or {"bytes": hex}."""
    ((kind, value),) = spelled.items()
    read: dict[str, Any] = {"text": str, "number": int, "bytes": bytes.fromhex}
    return read[kind](value)


@pytest.mark.parametrize("vector", VECTORS["derived_keys"])
def test_derived_keys_are_those_of_the_vectors(vector):
    found = derive_key(bytes.fromhex(vector["seed"]), *map(label_of, vector["labels"]))
    assert found.hex() == vector["key"]


@pytest.mark.parametrize("vector", VECTORS["streams"])
def test_streams_are_those_of_the_vectors(vector):
    stream = Stream(bytes.fromhex(vector["key"]))
    stream.bytes(vector["skip"])
    assert stream.bytes(len(vector["bytes"]) // 2).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", VECTORS["draws"])
def test_draws_are_those_of_the_vectors(vector):
    stream = Stream(bytes.fromhex(vector["key"]))
    assert stream.bits(vector["bits"]) == int(vector["drawn_bits"])
    assert stream.below(int(vector["bound"])) == int(vector["drawn_below"])


@given(seed=seeds, sizes=st.lists(st.integers(0, 3_000), max_size=6))
def test_how_a_stream_is_cut_does_not_change_its_bytes(seed, sizes):
    pieces = Stream(seed)
    assert b"".join(pieces.bytes(k) for k in sizes) == Stream(seed).bytes(sum(sizes))


@given(seed=seeds, count=st.integers(0, 700))
def test_bits_stay_in_range(seed, count):
    assert 0 <= Stream(seed).bits(count) < mpz(2) ** count


@given(seed=seeds, bound=st.integers(1, 2**600))
def test_draws_below_a_bound_stay_below_it(seed, bound):
    assert 0 <= Stream(seed).below(bound) < bound
    assert Stream(seed).below(mpz(bound)) == Stream(seed).below(bound)


@pytest.mark.parametrize("bound", [0, -1])
def test_a_bound_below_one_is_refused(bound):
    with pytest.raises(ValueError, match="at least 1"):
        Stream(bytes(32)).below(bound)


@given(seed=seeds, modulus=st.integers(2, 10**6))
def test_units_are_coprime_to_their_modulus(seed, modulus):
    unit = Stream(seed).unit(modulus)
    assert 1 <= unit < modulus
    assert gmpy2.gcd(unit, modulus) == 1


def test_small_draws_are_spread_evenly():
    stream, counts = Stream(seed_of("even")), [0] * 6
    for _ in range(6_000):
        counts[int(stream.below(6))] += 1
    chi_square = sum((count - 1_000) ** 2 / 1_000 for count in counts)
    assert chi_square < 25  # 5 degrees of freedom: exceeded with probability 10^-4


@given(first=labels, second=labels, seed=seeds)
def test_distinct_label_lists_give_distinct_keys(first, second, seed):
    def typed(found):
        return [(type(label), label) for label in found]

    same = typed(first) == typed(second)
    assert (derive_key(seed, *first) == derive_key(seed, *second)) == same


@given(first=seeds, second=seeds)
def test_distinct_seeds_give_distinct_keys(first, second):
    assert (derive_key(first, "a") == derive_key(second, "a")) == (first == second)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        Stream(bytes(size))


def test_a_stream_shows_no_secret():
    key = seed_of("secret")
    assert repr(Stream(key)) == "Stream(<secret>)"
    assert key.hex() not in str(Stream(key))
