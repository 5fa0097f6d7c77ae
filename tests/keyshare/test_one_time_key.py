"""A one-time key: sums of what it encrypts are exact, and what was tampered with is noticed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare import one_time_key
from keyshare.errors import CorruptSum, ValueTooLarge
from keyshare.keystream import Keystream
from keyshare.lattice import RINGS, S1, S2, Lattice
from keyshare.one_time_key import OneTimeKey, SummedKey, add_chunk, public_polynomials, write_sum
from tests.keyshare import plain_lattice
from tests.toy import seed_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "lattice.json").read_text())
CONTEXT = seed_of("context")
BOTH = pytest.mark.parametrize("ring", [S1, S2], ids=lambda ring: ring.name)


def weights(lattice: Lattice, count: int, label: str = "weights") -> np.ndarray:
    """Weights that follow from the label; the first two are the extremes."""
    seed = int.from_bytes(seed_of(label)[:8], "big")
    found = np.random.default_rng(seed).integers(0, lattice.levels, count)
    found[:2] = (0, lattice.levels - 1)[: len(found)]
    return found


class Sum:
    """Contributions of one chunk, added as they come."""

    def __init__(self, lattice: Lattice, chunk: int = 0, context: bytes = CONTEXT) -> None:
        self.lattice, self.chunk, self.context = lattice, chunk, context
        self.total: np.ndarray | None = None
        self.key = np.zeros(lattice.ring.degree, dtype=np.int64)
        self.expected: np.ndarray | int = 0
        self.contributors = 0

    def add(self, values: np.ndarray, seed: bytes | None = None) -> bytes:
        one = OneTimeKey(self.lattice, seed or seed_of("hospital", self.contributors))
        data = one.encrypt(self.chunk, values, self.context)
        self.total = add_chunk(self.total, data, self.lattice)
        self.key = self.key + one.secret
        self.expected = self.expected + values
        self.contributors += 1
        return data

    @property
    def data(self) -> bytes:
        assert self.total is not None
        return write_sum(self.total, self.lattice)

    def opened(self, data: bytes | None = None, **changes) -> np.ndarray:
        said = {"chunk": self.chunk, "context": self.context, "count": len(self.expected)}
        said |= changes
        key = SummedKey(self.lattice, self.key, said.pop("contributors", self.contributors))
        return key.open(said["chunk"], data or self.data, said["count"], said["context"])

    @property
    def is_exact(self) -> bool:
        return self.opened().tolist() == self.expected.tolist()


def small_sum(lattice: Lattice | None = None, contributors: int = 3, blocks: int = 1) -> Sum:
    found = Sum(lattice or Lattice(S1, 16))
    for i in range(contributors):
        found.add(weights(found.lattice, blocks * found.lattice.block_weights, f"{i}"))
    return found


# --- Sums are exact ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("members", [2, 3, 16, 100, 1024])
def test_the_sum_of_all_members_is_exact_even_where_all_send_the_largest(ring, members):
    lattice = Lattice(ring, members)
    total = Sum(lattice)
    top = lattice.levels - 1
    values = np.tile([top, 0, top, top], lattice.block_weights // 4)
    values[-1] = 0
    for _ in range(members):
        total.add(values)
    assert int(total.expected.max()) == members * top
    assert total.is_exact


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_weights_add_up(data):
    ring = data.draw(st.sampled_from([S1, S2]))
    lattice = Lattice(ring, data.draw(st.integers(2, 1024)), data.draw(st.sampled_from([1, 2])))
    total = Sum(lattice, data.draw(st.integers(0, 3)), data.draw(st.binary(max_size=40)))
    length = data.draw(st.integers(1, 40))
    top = lattice.levels - 1
    one = st.sampled_from([0, 1, top // 2, top - 1, top]) | st.integers(0, top)
    for i in range(data.draw(st.integers(1, min(5, lattice.members)))):
        values = data.draw(st.lists(one, min_size=length, max_size=length))
        total.add(np.array(values), seed_of(data.draw(st.integers()), i))
    assert total.is_exact


@BOTH
@pytest.mark.parametrize("blocks", [1, 2, 16, 17])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_lengths_around_every_boundary_of_blocks_and_batches_are_exact(ring, blocks, more):
    lattice = Lattice(ring, 16)
    total = Sum(lattice)
    count = blocks * lattice.block_weights + more
    for i in range(2):
        data = total.add(weights(lattice, count, f"{i}"))
        assert len(data) == lattice.contribution_chunk_bytes(0, count)
    assert len(total.data) == lattice.sum_chunk_bytes(0, count)
    assert total.is_exact


@BOTH
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_lengths_around_the_boundary_of_a_chunk_are_exact(ring, more):
    lattice = Lattice(ring, 3)
    length = lattice.chunk_weights + more
    assert lattice.chunk_count(length) == (2 if more == 1 else 1)
    for chunk in range(lattice.chunk_count(length)):
        count = min(lattice.chunk_weights, length - chunk * lattice.chunk_weights)
        total = Sum(lattice, chunk)
        for i in range(2):
            data = total.add(weights(lattice, count, f"{i}"))
            assert len(data) == lattice.contribution_chunk_bytes(chunk, length)
        assert len(total.data) == lattice.sum_chunk_bytes(chunk, length)
        assert total.is_exact


@BOTH
def test_the_order_of_adding_does_not_matter(ring):
    lattice = Lattice(ring, 5)
    sent = [
        OneTimeKey(lattice, seed_of(i)).encrypt(0, weights(lattice, 9, f"{i}"), CONTEXT)
        for i in range(5)
    ]
    sums = set()
    for order in (range(5), reversed(range(5)), (2, 0, 4, 1, 3)):
        total = None
        for i in order:
            total = add_chunk(total, sent[i], lattice)
        assert total is not None
        sums.add(write_sum(total, lattice))
    assert len(sums) == 1


def test_adding_leaves_the_contribution_as_it_was():
    lattice = Lattice(S2, 1024)  # where a sum's words are as wide as a machine's
    data = OneTimeKey(lattice, seed_of(0)).encrypt(0, weights(lattice, 9), CONTEXT)
    kept = bytes(data)
    add_chunk(add_chunk(None, data, lattice), data, lattice)
    assert data == kept


# --- Against plain integers ----------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["rings"], ids=lambda vector: vector["ring"])
def test_ciphertexts_are_those_of_the_vectors(vector):
    lattice = Lattice(RINGS[vector["ring"]], vector["members"])
    assert (lattice.levels, lattice.delta) == (vector["levels"], vector["delta"])
    p, key = plain_lattice.SETS[vector["ring"]], OneTimeKey(lattice, plain_lattice.SEED)
    assert plain_lattice.hashed(key.secret.tolist()) == vector["secret_sha256"]

    def chunk(number: int, count: int) -> bytes:
        values = np.array(plain_lattice.weights_of(p, count))
        return key.encrypt(number, values, plain_lattice.CONTEXT)

    short, expected = chunk(3, vector["chunk"]["count"]), vector["chunk"]
    assert short[:32].hex() == expected["start"]
    assert hashlib.sha256(short).hexdigest() == expected["sha256"]
    expected = vector["long_chunk"]  # of more blocks than a batch has
    assert hashlib.sha256(chunk(0, expected["count"])).hexdigest() == expected["sha256"]


@pytest.mark.parametrize("vector", VECTORS["rings"], ids=lambda vector: vector["ring"])
def test_public_polynomials_are_those_of_the_vectors(vector):
    ring = RINGS[vector["ring"]]
    first, second = public_polynomials(ring, plain_lattice.CONTEXT, 3, 2)
    assert [str(x) for x in (*first[:3], second[0])] == vector["public"]
    shifted = [x - (1 << (ring.modulus_bits - 1)) for x in first + second]
    assert plain_lattice.hashed(shifted) == vector["public_sha256"]
    p = plain_lattice.SETS[vector["ring"]]
    assert [first, second] == plain_lattice.expanded(p, plain_lattice.CONTEXT, 3, 2)


@pytest.mark.parametrize("name", list(plain_lattice.SETS))
def test_plain_integers_make_the_same_ciphertext(name):
    p = plain_lattice.SETS[name]
    lattice, values = Lattice(RINGS[name], p.members), plain_lattice.weights_of(p, 700)
    expected = plain_lattice.encrypted(p, seed_of("plain"), 2, values, CONTEXT)
    assert OneTimeKey(lattice, seed_of("plain")).encrypt(2, np.array(values), CONTEXT) == expected


@pytest.mark.parametrize("name", list(plain_lattice.SETS))
def test_plain_integers_open_the_same_sum(name):
    p = plain_lattice.SETS[name]
    total = small_sum(Lattice(RINGS[name], p.members), 4)
    c = plain_lattice.coefficients(total.data, p.sum_bytes)
    found, errors = plain_lattice.opened(p, total.key.tolist(), 4, 0, c, CONTEXT)
    assert found == total.expected.tolist() == total.opened().tolist()
    assert max(map(abs, errors)) <= p.max_error
    variance = float(4 * total.lattice.noise_variance)
    assert sum(e * e for e in errors) / len(errors) == pytest.approx(variance, rel=0.2)


# --- What a contribution depends on --------------------------------------------------------------


@BOTH
def test_public_polynomials_depend_on_context_chunk_and_ring_alone(ring):
    def first(context: bytes, chunk: int) -> list[int]:
        return public_polynomials(ring, context, chunk, 1)[0]

    own = first(CONTEXT, 0)
    assert own == first(CONTEXT, 0) == public_polynomials(ring, CONTEXT, 0, 3)[0]
    others = [first(seed_of("other"), 0), first(CONTEXT, 1)]
    other_ring = S2 if ring is S1 else S1
    others.append(public_polynomials(other_ring, CONTEXT, 0, 1)[0])
    assert all(own[:8] != other[:8] for other in others)


def test_two_keys_in_one_round_use_the_same_public_polynomial():
    """c_1 - c_2 under one s of 0 and 1 would be a itself: seen with s replaced."""
    lattice, zero = Lattice(S1, 16), np.zeros(1, dtype=np.int64)
    sent = []
    for seed in (seed_of("one"), seed_of("two")):
        key = OneTimeKey(lattice, seed)
        one = np.zeros(S1.degree, dtype=np.int64)
        one[0] = 1
        key._multiplier = one_time_key.Multiplier(one)
        sent.append(plain_lattice.coefficients(key.encrypt(0, zero, CONTEXT), 6))
    (a,) = public_polynomials(S1, CONTEXT, 0, 1)
    for c in sent:
        away = [
            ((x << 4) - y + (1 << 51)) % (1 << 52) - (1 << 51) for x, y in zip(c, a, strict=True)
        ]
        assert max(map(abs, away)) <= 90 + 8


def test_the_same_seed_gives_the_same_bytes_and_another_others():
    lattice = Lattice(S1, 16)
    values = weights(lattice, 5)

    def sent(label: str, chunk: int = 0, context: bytes = CONTEXT) -> bytes:
        return OneTimeKey(lattice, seed_of(label)).encrypt(chunk, values, context)

    assert sent("a") == sent("a")
    assert len({sent("a"), sent("b"), sent("a", 1), sent("a", 0, seed_of("other"))}) == 4


def test_no_text_shows_a_secret():
    lattice = Lattice(S1, 16)
    key = OneTimeKey(lattice, seed_of("a"))
    assert repr(key) == "OneTimeKey(<secret>)"
    assert repr(SummedKey(lattice, key.secret, 2)) == "SummedKey(<secret>)"


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 3, 4])
def test_a_weight_out_of_range_is_refused_and_its_place_named_but_not_its_value(index):
    lattice = Lattice(S1, 16)
    for wrong in (lattice.levels, -1, -(2**62), 2**62):
        values = np.zeros(5, dtype=np.int64)
        values[index] = wrong
        with pytest.raises(ValueTooLarge) as error:
            OneTimeKey(lattice, seed_of(0)).encrypt(0, values, CONTEXT)
        assert error.value.index == index
        assert str(wrong) not in str(error.value)


@BOTH
@pytest.mark.parametrize("sign", [1, -1])
def test_a_digit_that_honest_keys_do_not_add_up_to_is_refused(ring, sign):
    lattice = Lattice(ring, 16)
    digits = np.zeros(ring.degree, dtype=np.int64)
    digits[7] = sign * lattice.max_key_digit
    SummedKey(lattice, digits, 16)
    digits[7] += sign
    with pytest.raises(CorruptSum) as error:
        SummedKey(lattice, digits, 16)
    assert error.value.position == 7


def bit_flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


@pytest.mark.parametrize("bit", [6, 7, 8, 20, 30, 40, 47, 8 * 7 * 1000 + 9])
def test_a_flipped_bit_of_a_sum_is_detected_or_moves_a_message(bit):
    """Above Δ/2 it is another message, of which nothing can be seen unless it is out of range."""
    total = small_sum()
    try:
        found = total.opened(bit_flipped(total.data, bit))
    except CorruptSum:
        return
    assert np.count_nonzero(found != total.expected) in (1, 2)


@pytest.mark.parametrize("bit", [48, 50, 55])
def test_bits_beyond_the_modulus_carry_nothing(bit):
    total = small_sum()
    assert total.opened(bit_flipped(total.data, bit)).tolist() == total.expected.tolist()


@BOTH
def test_a_block_with_many_flipped_bits_is_detected(ring):
    total = small_sum(Lattice(ring, 16))
    changed = bytearray(total.data)
    for i in range(0, len(changed), 7):
        changed[i] ^= 0x15
    with pytest.raises(CorruptSum):
        total.opened(bytes(changed))


Tampering = Callable[[Sum, list[bytes]], list[bytes]]
WRONG: dict[str, Tampering] = {
    "a chunk dropped": lambda total, sent: sent[1:],
    "a chunk doubled": lambda total, sent: [*sent, sent[0]],
    "a chunk exchanged for that of another key": lambda total, sent: [
        OneTimeKey(total.lattice, seed_of("x")).encrypt(0, np.zeros(9, np.int64), CONTEXT),
        *sent[1:],
    ],
    "a chunk of another round": lambda total, sent: [
        OneTimeKey(total.lattice, seed_of("hospital", 0)).encrypt(
            0, np.zeros(9, np.int64), seed_of("round 2")
        ),
        *sent[1:],
    ],
    "another chunk of the same key": lambda total, sent: [
        OneTimeKey(total.lattice, seed_of("hospital", 0)).encrypt(
            1, np.zeros(9, np.int64), CONTEXT
        ),
        *sent[1:],
    ],
    "noise": lambda total, sent: [*sent[1:], (seed_of("noise") * len(sent[0]))[: len(sent[0])]],
}


@BOTH
@pytest.mark.parametrize("what", list(WRONG))
def test_a_sum_of_other_chunks_than_keys_is_detected(ring, what):
    total = Sum(Lattice(ring, 16))
    sent = [total.add(weights(total.lattice, 9, f"{i}")) for i in range(3)]
    wrong = None
    for data in WRONG[what](total, sent):
        wrong = add_chunk(wrong, data, total.lattice)
    assert wrong is not None
    with pytest.raises(CorruptSum):
        total.opened(write_sum(wrong, total.lattice))


@BOTH
@pytest.mark.parametrize(
    "changes",
    [{"context": seed_of("other")}, {"chunk": 1}, {"contributors": 12}, {"contributors": 1}],
)
def test_another_context_chunk_or_number_of_contributors_is_detected(ring, changes):
    total = small_sum(Lattice(ring, 16))
    with pytest.raises(CorruptSum):
        total.opened(**changes)


@BOTH
def test_blocks_in_another_order_are_detected(ring):
    total = small_sum(Lattice(ring, 16), 2, blocks=2)
    middle = len(total.data) // 2
    with pytest.raises(CorruptSum):
        total.opened(total.data[middle:] + total.data[:middle])


def test_one_error_out_of_range_is_detected():
    """Of all 2048 only one, so that Σ E² shows nothing."""
    p = plain_lattice.hybrid(16)
    total = Sum(Lattice(S1, 16))
    for i in range(16):
        total.add(weights(total.lattice, 9, f"{i}"))
    assert total.total is not None
    c = [int(x) for x in total.total]
    _, errors = plain_lattice.opened(p, total.key.tolist(), 16, 0, c, CONTEXT)
    position, away = next(
        (i, away) for i, e in enumerate(errors) if (away := p.max_error + 1 - e) % 16 == 0
    )
    total.total[position] += np.uint64(away // 16) - np.uint64(1)
    assert total.is_exact
    total.total[position] += np.uint64(1)
    with pytest.raises(CorruptSum, match="an error out of range"):
        total.opened()


@pytest.mark.parametrize("factor", [0, 2])
def test_errors_too_large_or_too_small_together_are_detected(monkeypatch, factor):
    real, calls = one_time_key.sample, itertools.count()

    def scaled(stream: Keystream, size: int) -> np.ndarray:
        """The key's secret as it is, its errors times the factor."""
        return real(stream, size) * np.int8(factor if next(calls) % 2 else 1)

    monkeypatch.setattr(one_time_key, "sample", scaled)
    total = Sum(Lattice(S1, 1024))
    for i in range(3):
        total.add(weights(total.lattice, 9, f"{i}"))
    with pytest.raises(CorruptSum, match="no honest"):
        total.opened()


@BOTH
@pytest.mark.parametrize("contributors", [3, 256])
def test_the_errors_of_honest_sums_have_no_mean_however_many_contribute(ring, contributors):
    """Rounding halves up makes each contribution 1/2 too : 512 at 1024, twice their spread."""
    p = {S1: plain_lattice.hybrid, S2: plain_lattice.hybrid_s2}[ring](1024)
    total = Sum(Lattice(ring, 1024, 2))
    for i in range(contributors):
        total.add(weights(total.lattice, 3, f"{i}"))
    assert total.total is not None
    c = [int(x) for x in total.total]
    _, errors = plain_lattice.opened(p, total.key.tolist(), contributors, 0, c, CONTEXT)
    spread = sqrt(contributors * float(total.lattice.noise_variance))
    assert abs(sum(errors) / len(errors)) < 5 * spread / sqrt(len(errors)) + 1 / 2
    assert sum(e * e for e in errors) / len(errors) == pytest.approx(spread**2, rel=0.2)
    assert total.is_exact


@pytest.mark.parametrize("change", [-1, 1, 7])
def test_a_sum_of_another_length_is_refused(change):
    total = small_sum()
    data = total.data
    wrong = data[:change] if change < 0 else data + bytes(change)
    with pytest.raises(CorruptSum):
        total.opened(wrong)


@pytest.mark.parametrize("k", [2, 3])
def test_a_message_beyond_its_weights_is_detected(k):
    """q/Δ is more than R^k: what lies between is no message."""
    lattice = Lattice(S1, 16, k)
    assert lattice.delta * (lattice.radix**k + 1) < 1 << 52
    total = small_sum(lattice)
    assert total.total is not None
    message = sum(int(w) * lattice.radix**j for j, w in enumerate(total.expected[:: S1.degree]))
    total.total[0] += np.uint64(((lattice.radix**k - message) * lattice.delta) >> 4)
    with pytest.raises(CorruptSum, match="a message out of range"):
        total.opened()
