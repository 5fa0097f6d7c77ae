"""Packing: inverse of unpacking, additive for all members, nothing carries."""

import math

import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.errors import BadParameters, BadPlaintext, CorruptSum
from keyshare.rounds.packing import Packing, ciphertext_count, pack, unpack

P = Packing.choose(key_bits=512, value_bits=16, n_members=5, head=3)


@st.composite
def packed_members(draw):
    """A packing and one vector of values for each of its members."""
    key_bits = draw(st.sampled_from([256, 512, 2048]))
    value_bits, n_members = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    packing = Packing.choose(key_bits, value_bits, n_members, draw(st.integers(1, 30)))
    count = draw(st.integers(1, 60))
    vector = st.lists(st.integers(0, 2**value_bits - 1), min_size=count, max_size=count)
    vectors = [np.array(draw(vector), dtype=np.int64) for _ in range(n_members)]
    return packing, key_bits, vectors


@given(packed_members())
def test_the_sum_of_packed_vectors_unpacks_to_the_sum_of_the_vectors(case):
    packing, key_bits, vectors = case
    packed = [pack(vector, packing) for vector in vectors]
    assert all(0 <= p < 2 ** (key_bits - 2) for plaintexts in packed for p in plaintexts)
    sums = [sum(column) for column in zip(*packed, strict=True)]
    assert all(total < 2 ** (key_bits - 2) for total in sums)
    assert unpack(sums, packing, len(vectors[0])).tolist() == sum(vectors).tolist()


@pytest.mark.parametrize("n_members", [1, 2, 3, 4, 5, 1000, 1024])
def test_the_largest_values_of_all_members_fill_their_slots_without_a_carry(n_members):
    packing = Packing.choose(2048, 20, n_members, head=5)
    count = packing.first + packing.slots + 1
    top = pack(np.full(count, 2**20 - 1, dtype=np.int64), packing)
    sums = unpack([n_members * p for p in top], packing, count)
    assert sums.tolist() == [n_members * (2**20 - 1)] * count


def test_the_choice_follows_from_key_value_and_members():
    packing = Packing.choose(3072, 24, 5, 9)
    assert packing == Packing(slot_bits=27, slots=113, value_bits=24, head=9)
    assert (packing.reserve, packing.first) == (5, 108)
    assert Packing.choose(3072, 24, 4, 9).slot_bits == 26
    assert Packing.choose(64, 32, 1, 9).slots == 1  # two would reach beyond N


def test_a_head_with_no_room_beside_the_reserve_has_plaintexts_of_its_own():
    assert [Packing.choose(512, 16, 5, head).first for head in (1, 19, 20, 26, 27)] == [
        19, 19, 20, 26, 27
    ]  # fmt: skip
    own = Packing.choose(512, 16, 5, 27)
    assert pack(np.arange(1, 30), own) == [
        *pack(np.arange(1, 27), own), 27, mpz(28 + (29 << 19))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value_bits", "n_members", "reserve"),
    [(32, 1, 4), (31, 2, 5), (16, 1, 8), (16, 2, 8), (33, 16, 4), (32, 16, 4), (40, 1, 4)],
)
def test_the_reserve_is_128_bits_and_those_of_a_sum_of_all(value_bits, n_members, reserve):
    """At 16 bits for two members, 129 bits lie in 8 slots of 17."""
    packing = Packing.choose(2048, value_bits, n_members, 9)
    assert packing.reserve == reserve
    needed = 128 + math.ceil(math.log2(n_members))
    assert 0 <= reserve * packing.slot_bits - needed < packing.slot_bits


@given(st.integers(0, 200), st.integers(1, 40), st.integers(1, 9), st.integers(1, 60))
def test_as_many_plaintexts_as_the_values_fill(count, value_bits, n_members, head):
    """Counted one by one: what follows the head fills up its plaintext but for the reserve."""
    packing, plaintexts, room = Packing.choose(512, value_bits, n_members, head), 0, 0
    is_shared = head + packing.reserve <= packing.slots
    for k in range(count):
        if not room or (k == head and not is_shared):
            plaintexts, room = plaintexts + 1, packing.slots
            if k == 0 and is_shared:
                room -= packing.reserve
        room -= 1
    assert ciphertext_count(count, packing) == plaintexts
    assert len(pack(np.zeros(count, dtype=np.int64), packing)) == plaintexts


def test_the_layout_is_little_endian_by_slot():
    assert pack(np.array([1, 2, 3]), P) == [mpz(1 + (2 << 19) + (3 << 38))]


def test_no_values_need_no_ciphertext():
    assert pack(np.zeros(0, dtype=np.int64), P) == []
    assert unpack([], P, 0).tolist() == []


def test_zeros_come_back_in_full_length():
    count = P.first + P.slots + 1
    assert ciphertext_count(count, P) == 3
    assert unpack([mpz(0)] * 3, P, count).tolist() == [0] * count


@pytest.mark.parametrize("bad", [-1, 2**16, 2**62, -(2**63)])
def test_a_value_outside_its_bits_is_refused_without_being_shown(bad):
    with pytest.raises(BadPlaintext) as caught:
        pack(np.array([0, 2**16 - 1, bad]), P)
    assert caught.value.position == 2
    assert str(bad) not in str(caught.value)


@pytest.mark.parametrize("plaintexts", [[], [mpz(1)], [mpz(1)] * 3])
def test_another_number_of_plaintexts_is_refused(plaintexts):
    with pytest.raises(CorruptSum):
        unpack(plaintexts, P, P.first + 1)


def test_bits_above_the_slots_in_use_are_refused():
    full, last = [mpz(2) ** (k * P.slot_bits) - 1 for k in (P.first, P.slots)], mpz(2) ** 19 - 1
    count = P.first + P.slots + 1
    unpack([*full, last], P, count)
    for position in range(3):
        sums = [*full, last]
        sums[position] += 1
        with pytest.raises(CorruptSum) as caught:
            unpack(sums, P, count)
        assert caught.value.position == position


def test_a_negative_plaintext_is_refused():
    with pytest.raises(CorruptSum):
        unpack([mpz(-1)], P, 1)


@pytest.mark.parametrize(
    ("key_bits", "value_bits", "n_members"),
    [(512, 0, 3), (512, 16, 0), (16, 16, 2), (512, 62, 2), (512, -3, 16)],
)
def test_parameters_without_room_are_refused(key_bits, value_bits, n_members):
    with pytest.raises(BadParameters):
        Packing.choose(key_bits, value_bits, n_members, head=1)


def test_a_packing_off_the_wire_is_checked_too():
    right = {"slot_bits": 8, "slots": 1, "value_bits": 8, "head": 1}
    Packing(**right)
    for wrong in ({"value_bits": 9}, {"slot_bits": 63}, {"slots": 0}, {"head": 0}):
        with pytest.raises(BadParameters):
            Packing(**(right | wrong))
