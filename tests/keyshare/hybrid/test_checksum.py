"""Checksums add up as vectors do, and tell two vectors apart."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.hybrid.checksum import (
    MODULUS,
    Checksum,
    ChecksumKey,
    read_checksum,
    sum_checksums,
    write_checksum,
)
from keyshare.hybrid.lattice import CHUNK_COEFFICIENTS, S1, S2, Lattice
from keyshare.hybrid.one_time_key import read_words, write_sum
from tests.keyshare.hybrid import plain_checksum
from tests.stage.rounds.whole_update import sum_of
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("checksum")
KEY = ChecksumKey(plain_checksum.SEED)

Chunks = dict[int, list[int]]


def words(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def checksum(chunks: Chunks, key: ChecksumKey = KEY) -> int:
    found = Checksum(key)
    for chunk, values in chunks.items():
        found.add(chunk, words(values))
    return found.value


def test_the_vectors_are_those_of_the_plain_computation() -> None:
    assert json.loads(json.dumps(plain_checksum.vectors())) == VECTORS


@pytest.mark.parametrize("name", plain_checksum.CASES)
def test_known_answers(name: str) -> None:
    found = checksum(plain_checksum.CASES[name])
    assert write_checksum(found).hex() == VECTORS["checksums"][name]


word = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**48 - 1, 2**56, 2**64 - 1]))
chunks_of_words = st.dictionaries(
    st.integers(0, 4_095), st.lists(word, min_size=1, max_size=12), min_size=1, max_size=4
)


@given(st.binary(min_size=32, max_size=32), chunks_of_words)
@settings(max_examples=50)
def test_it_is_what_pythons_integers_give(seed: bytes, chunks: Chunks) -> None:
    found = checksum(chunks, ChecksumKey(seed))
    assert found == plain_checksum.checksum(seed, chunks)


def test_it_is_exact_where_every_product_is_as_large_as_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = ChecksumKey(seed_of("extreme"))
    key._first(CHUNK_COEFFICIENTS)
    key._columns[:] = 2**20 - 1
    monkeypatch.setattr(key, "_multipliers", lambda chunk: [1] * 7)
    found = key.of_chunk(0, np.full(CHUNK_COEFFICIENTS, 2**64 - 1, dtype=np.uint64))
    assert found == 7 * CHUNK_COEFFICIENTS * (2**64 - 1) * (2**20 - 1) % MODULUS
    assert CHUNK_COEFFICIENTS * (2**16 - 1) * (2**20 - 1) < 2**53


@pytest.mark.parametrize("ring", [S1, S2], ids=lambda ring: ring.name)
@given(members=st.integers(2, 16), seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_those_of_contributions_add_up_to_that_of_the_unreduced_sum(
    ring: object, members: int, seed: int
) -> None:
    lattice = Lattice(ring, members)  # type: ignore[arg-type]
    width, draw = lattice.contribution_bytes, np.random.default_rng(seed)
    vectors = [
        [draw.bytes(6 * ring.degree * width), b"\xff" * ring.degree * width] for _ in range(members)
    ]
    own = []
    for vector in vectors:
        found = Checksum(KEY)
        for chunk, data in enumerate(vector):
            found.add(chunk, read_words(data, width))
        own.append(found.value)
    summed = Checksum(KEY)
    for chunk in (1, 0):  # in any order
        total = sum_of((vector[chunk] for vector in vectors), lattice)
        summed.add(chunk, read_words(write_sum(total, lattice), lattice.sum_bytes))
    assert summed.value == sum_checksums(own)


@given(chunks_of_words, st.data())
def test_a_word_changed_anywhere_shows(chunks: Chunks, data: st.DataObject) -> None:
    chunk = data.draw(st.sampled_from(sorted(chunks)))
    place = data.draw(st.integers(0, len(chunks[chunk]) - 1))
    other = data.draw(word.filter(lambda w: w != chunks[chunk][place]))
    changed = {k: list(values) for k, values in chunks.items()}
    changed[chunk][place] = other
    assert checksum(changed) != checksum(chunks)


def test_what_is_equal_modulo_the_ring_or_in_total_is_not_the_same() -> None:
    assert checksum({0: [2**48]}) != checksum({0: [0]})
    assert checksum({0: [5, 6]}) != checksum({0: [6, 5]})
    assert checksum({0: [5], 1: [6]}) != checksum({0: [6], 1: [5]})
    assert checksum({0: [1]}) != checksum({0: [1]}, ChecksumKey(seed_of("another")))


def test_a_difference_that_one_column_misses_shows_in_the_others() -> None:
    first, second = VECTORS["columns"]
    one, other = [second[0], 0], [0, first[0]]  # both give K_00 · K_10 in the first column
    assert checksum({0: one}) != checksum({0: other})


def test_the_key_of_a_longer_chunk_goes_on_from_that_of_a_shorter() -> None:
    key = ChecksumKey(seed_of("longer"))
    short = key.of_chunk(0, words([3, 4]))
    key.of_chunk(0, words([1] * 100))
    assert key.of_chunk(0, words([3, 4])) == short == key.of_chunk(0, words([3, 4] + [0] * 100))


def test_a_chunk_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 131072"):
        KEY.of_chunk(0, np.zeros(CHUNK_COEFFICIENTS + 1, dtype=np.uint64))


@pytest.mark.parametrize(
    "data", [b"", bytes(15), bytes(17), MODULUS.to_bytes(16, "big"), b"\xff" * 16]
)
def test_other_bytes_are_no_checksum(data: bytes) -> None:
    assert read_checksum(data) is None


@given(st.integers(0, MODULUS - 1))
def test_what_is_written_reads(value: int) -> None:
    assert read_checksum(write_checksum(value)) == value


@pytest.mark.slow
def test_a_hundred_million_weights_take_less_than_a_second() -> None:
    draw = np.random.default_rng(1)
    chunk = draw.integers(0, 2**52, CHUNK_COEFFICIENTS, dtype=np.uint64)
    found, started = Checksum(ChecksumKey(seed_of("speed"))), time.process_time()
    for number in range(50_000_000 // CHUNK_COEFFICIENTS):
        found.add(number, chunk)
    assert time.process_time() - started < 1.0
