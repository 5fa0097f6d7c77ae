"""Blinded vectors: their sums with others show the sum of the heads, and nothing else."""

from typing import Any

import numpy as np
import pytest

from keyshare.errors import BadPlaintext, CorruptSum
from keyshare.hybrid.lattice import S1, S2, Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, read_words, write_sum
from tests.keyshare.hybrid import plain_lattice
from tests.keyshare.hybrid.chunk_sums import BOTH, CONTEXT, weights
from tests.stage.rounds.whole_update import sum_of
from tests.stage.toy import seed_of

HEAD = 6


def head_of(lattice: Lattice, member: int) -> np.ndarray:
    return weights(lattice, HEAD, f"head {member}")


def made(lattice: Lattice, member: int, count: int, blinded: bool, chunk: int = 0) -> bytes:
    """One chunk of a contribution of ``count`` weights."""
    key, first = OneTimeKey(lattice, seed_of("hospital", member)), chunk * lattice.chunk_weights
    if blinded:
        return key.blind(chunk, head_of(lattice, member), count, CONTEXT)
    values = weights(lattice, count, f"{member}")
    values[:HEAD] = head_of(lattice, member)
    return key.encrypt(chunk, values[first : first + lattice.chunk_weights], CONTEXT)


def summed(lattice: Lattice, members: int, blinded: int, count: int) -> tuple[bytes, SummedKey]:
    """The first chunk of a sum, of which so many are blinded, and the key that opens it."""
    total = sum_of((made(lattice, i, count, i < blinded) for i in range(members)), lattice)
    secrets = [OneTimeKey(lattice, seed_of("hospital", i)).secret for i in range(members)]
    return write_sum(total, lattice), SummedKey(lattice, np.sum(secrets, axis=0), members)


def words(data: bytes, lattice: Lattice) -> np.ndarray:
    return read_words(data, lattice.contribution_bytes)


# --- The head -------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("members", "blinded"), [(2, 1), (2, 2), (3, 1), (3, 3), (16, 1), (16, 15), (16, 16), (3, 0)]
)
def test_the_head_of_a_sum_of_blinded_and_honest_vectors_opens_exactly(ring, members, blinded):
    lattice = Lattice(ring, members)
    data, key = summed(lattice, members, blinded, 2 * lattice.block_weights)
    expected = sum(head_of(lattice, member) for member in range(members))
    assert key.open_head(data, HEAD, CONTEXT).tolist() == expected.tolist()


@BOTH
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_largest_head_opens_whatever_is_beside_it(ring, k):
    lattice = Lattice(ring, 5, k)
    top = np.full(2 * k, lattice.levels - 1, dtype=np.int64)
    keys = [OneTimeKey(lattice, seed_of(member)) for member in range(5)]
    total = sum_of((one.blind(0, top, 100, CONTEXT) for one in keys), lattice)
    key = SummedKey(lattice, np.sum([one.secret for one in keys], axis=0), 5)
    assert key.open_head(write_sum(total, lattice), 2 * k, CONTEXT).tolist() == (5 * top).tolist()


@BOTH
def test_a_head_of_a_whole_block_opens(ring):
    """And what is blinded is the block after it."""
    lattice = Lattice(ring, 3)
    size = lattice.block_weights
    values = weights(lattice, size)
    one = OneTimeKey(lattice, seed_of(0))
    data = one.blind(0, values, size + 1, CONTEXT)
    opener = SummedKey(lattice, one.secret, 1)
    total = write_sum(words(data, lattice), lattice)
    assert opener.open_head(total, size, CONTEXT).tolist() == values.tolist()
    half = len(total) // 2
    assert opener.open(0, total[:half], size, CONTEXT).tolist() == values.tolist()
    with pytest.raises(CorruptSum):
        opener.open(0, total, size + 1, CONTEXT)


@pytest.mark.parametrize("name", list(plain_lattice.SETS))
def test_plain_integers_open_the_same_head_and_errors_there_alone(name):
    """Beside the head, errors are as large as of what is no sum at all: 33 times their variance."""
    p = plain_lattice.SETS[name]
    lattice = Lattice({"hybrid": S1, "hybrid-s2": S2}[name], p.members)
    data, key = summed(lattice, 3, 1, 100)
    secrets = [plain_lattice.secret(p, seed_of("hospital", k)) for k in range(3)]
    secret = [sum(digits) for digits in zip(*secrets, strict=True)]
    c = plain_lattice.coefficients(data, p.sum_bytes)
    found, errors = plain_lattice.opened(p, secret, 3, 0, c, CONTEXT)
    assert found[:HEAD] == key.open_head(data, HEAD, CONTEXT).tolist()
    assert max(map(abs, errors[: HEAD // p.k])) < p.max_error / 3
    beside = errors[HEAD // p.k :]
    honest = 3 * float(lattice.noise_variance)
    assert sum(e * e for e in beside) / len(beside) > 20 * honest


# --- What else there is in it ---------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("blinded", [1, 2, 3])
def test_a_sum_with_a_blinded_vector_does_not_open(ring, blinded):
    lattice = Lattice(ring, 3)
    data, key = summed(lattice, 3, blinded, 100)
    key.open_head(data, HEAD, CONTEXT)
    with pytest.raises(CorruptSum, match="error"):
        key.open(0, data, 100, CONTEXT)
    data, key = summed(lattice, 3, 0, 100)
    key.open(0, data, 100, CONTEXT)


@BOTH
def test_a_blinded_vector_has_the_words_of_the_head_and_no_other_of_the_honest_one(ring):
    lattice = Lattice(ring, 3)
    size = HEAD // lattice.weights_per_coefficient
    for count in (HEAD, HEAD + 1, lattice.block_weights + 1):
        blinded, honest = (words(made(lattice, 0, count, b), lattice) for b in (True, False))
        assert blinded[:size].tolist() == honest[:size].tolist()
        assert not (blinded[size:] == honest[size:]).any()


@BOTH
def test_no_chunk_but_the_first_has_a_word_of_the_honest_one(ring):
    lattice = Lattice(ring, 3)
    count = 2 * lattice.chunk_weights + 1
    for chunk in (1, 2):
        blinded, honest = (words(made(lattice, 0, count, b, chunk), lattice) for b in (True, False))
        assert len(blinded) == len(honest)
        assert not (blinded == honest).any()


@BOTH
def test_what_is_blinded_does_not_depend_on_the_head(ring):
    """Nor is it what would encrypt zeros, which a sum of keys opens."""
    lattice = Lattice(ring, 3)
    one = OneTimeKey(lattice, seed_of(0))
    zeros = np.zeros(HEAD, dtype=np.int64)
    blinded, other = (
        words(one.blind(0, head, 100, CONTEXT), lattice) for head in (zeros, head_of(lattice, 0))
    )
    size = HEAD // lattice.weights_per_coefficient
    assert not (blinded[:size] == other[:size]).any()
    assert blinded[size:].tolist() == other[size:].tolist()
    empty = words(one.encrypt(0, np.zeros(100, dtype=np.int64), CONTEXT), lattice)
    assert not (blinded[size:] == empty[size:]).any()


@BOTH
def test_chunks_are_blinded_otherwise_each_and_by_the_seed_alone(ring):
    lattice = Lattice(ring, 3)
    count = 3 * lattice.chunk_weights

    def blinded(label: str, chunk: int, context: bytes = CONTEXT) -> np.ndarray:
        one = OneTimeKey(lattice, seed_of(label))
        return words(one.blind(chunk, head_of(lattice, 0), count, context), lattice)[:1_000]

    first = blinded("a", 0)
    assert first.tolist() == blinded("a", 0).tolist()
    for other in (blinded("a", 1), blinded("a", 2), blinded("b", 0)):
        assert not (first == other).any()
    assert not (blinded("a", 1) == blinded("a", 2)).any()


@BOTH
def test_blinded_words_are_spread_over_the_whole_ring(ring):
    """Each bit of a word, over a chunk of 2^17: within six standard deviations of one half."""
    lattice = Lattice(ring, 3)
    one = OneTimeKey(lattice, seed_of("spread"))
    found = words(one.blind(1, head_of(lattice, 0), 2 * lattice.chunk_weights, CONTEXT), lattice)
    assert len(found) == 1 << 17
    for bit in range(ring.wire_bits):
        share = float(((found >> np.uint64(bit)) & np.uint64(1)).mean())
        assert abs(share - 0.5) < 6 * 0.5 / len(found) ** 0.5
    assert int(found.max()) < 1 << ring.wire_bits


# --- Its form -------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_blinded_chunks_are_as_long_as_honest_ones(ring, more):
    """First, middle and last, around the boundary of a chunk."""
    lattice = Lattice(ring, 3)
    one = OneTimeKey(lattice, seed_of(0))
    for count in (2 * lattice.chunk_weights + more, 3 * lattice.block_weights + more, HEAD + 1):
        for chunk in range(lattice.chunk_count(count)):
            data = one.blind(chunk, head_of(lattice, 0), count, CONTEXT)
            left = min(count - chunk * lattice.chunk_weights, lattice.chunk_weights)
            honest = one.encrypt(chunk, np.zeros(left, dtype=np.int64), CONTEXT)
            assert len(data) == len(honest) == lattice.contribution_chunk_bytes(chunk, count)
            assert isinstance(data, bytes)


@pytest.mark.parametrize("wrong", [-1, 1 << 40])
def test_a_head_out_of_range_is_refused(wrong):
    head = np.array([0, wrong])
    with pytest.raises(BadPlaintext) as caught:
        OneTimeKey(Lattice(S1, 3), seed_of(0)).blind(0, head, 100, CONTEXT)
    assert caught.value.position == 1
    assert str(wrong) not in str(caught.value)


@BOTH
@pytest.mark.parametrize("missing", [1, 7, 10_000])
def test_a_sum_shorter_than_a_block_has_no_head(ring, missing):
    lattice = Lattice(ring, 3)
    data, key = summed(lattice, 3, 1, 100)
    for wrong in (b"", data[:-missing]):
        with pytest.raises(CorruptSum, match="chunk 0 has"):
            key.open_head(wrong, HEAD, CONTEXT)


@BOTH
def test_a_head_that_is_no_sum_of_weights_is_refused(ring):
    """q/Δ is more than R^k: what lies between is no message."""
    lattice = Lattice(ring, 3)
    one, k = OneTimeKey(lattice, seed_of(0)), lattice.weights_per_coefficient
    total = words(one.blind(0, np.zeros(HEAD, dtype=np.int64), 100, CONTEXT), lattice).copy()
    assert lattice.delta * (lattice.radix**k + 1) < 1 << ring.modulus_bits
    key = SummedKey(lattice, one.secret, 1)
    key.open_head(write_sum(total, lattice), HEAD, CONTEXT)
    total[0] += np.uint64((lattice.radix**k * lattice.delta) >> ring.dropped_bits)
    with pytest.raises(CorruptSum, match="a message out of range"):
        key.open_head(write_sum(total, lattice), HEAD, CONTEXT)


def test_another_key_or_context_opens_no_head():
    lattice = Lattice(S1, 3)
    data, key = summed(lattice, 3, 1, 100)
    expected = key.open_head(data, HEAD, CONTEXT).tolist()
    other: Any = SummedKey(lattice, OneTimeKey(lattice, seed_of("other")).secret, 3)
    for opener, context in ((other, CONTEXT), (key, seed_of("other"))):
        try:
            assert opener.open_head(data, HEAD, context).tolist() != expected
        except CorruptSum:
            continue
