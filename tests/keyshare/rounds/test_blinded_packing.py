"""Blinded plaintexts: their sums with others show the sum of the heads, and nothing else."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, count, repeat

import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import BadPlaintext, CorruptSum
from keyshare.randomness import Stream
from keyshare.rounds import packing as module
from keyshare.rounds.packing import Packing, blind, ciphertext_count, pack, read_head, unpack
from tests.stage.toy import seed_of

SOME = settings(max_examples=40)
NS = {bits: (mpz(1) << (bits - 1)) + 1_729 for bits in (256, 512, 2048)}  # as small as they can be


class Scripted(Stream):
    """A stream of given numbers, with what was asked of it."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers, self.asked = numbers, list[int]()

    def bits(self, count):
        self.asked.append(2**count)
        return mpz(next(self._numbers) % 2**count)

    def below(self, bound):
        self.asked.append(int(bound))
        return mpz(next(self._numbers) % int(bound))


def most() -> Scripted:
    """A stream of the largest numbers: -1 modulo whatever is asked for."""
    return Scripted(repeat(-1))


@st.composite
def rounds(draw):
    """A packing, N, the number of values, and some members' values: blinded ones first."""
    key_bits = draw(st.sampled_from(list(NS)))
    value_bits, members = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    packing = Packing.choose(key_bits, value_bits, members, draw(st.integers(1, 30)))
    # More values than the head, as many as fit beside it, one plaintext more, and all between.
    length = draw(st.integers(packing.head + 1, packing.head + 60) | st.just(packing.first + 1))
    values = np.random.default_rng(draw(st.integers(0, 2**32))).integers(
        0, 2**value_bits, (draw(st.integers(1, members)), length), endpoint=False
    )
    if draw(st.booleans()):
        values[:] = 2**value_bits - 1
    vectors = list(values)
    return packing, key_bits, vectors, draw(st.integers(1, len(vectors)))


def summed(parts: list[list[mpz]], n: mpz) -> list[mpz]:
    return [sum(column) % n for column in zip(*parts, strict=True)]


def contributions(case, streams) -> list[list[mpz]]:
    packing, key_bits, vectors, blinded = case
    length = len(vectors[0])
    hidden = [
        blind(vector[: packing.head], length, packing, NS[key_bits], next(streams))
        for vector in vectors[:blinded]
    ]
    return hidden + [pack(vector, packing) for vector in vectors[blinded:]]


def of_seeds() -> Iterator[Stream]:
    return (Stream(seed_of("blinding", k)) for k in count())


@SOME
@given(rounds())
def test_the_head_of_any_sum_of_blinded_and_honest_plaintexts_reads_exactly(case):
    packing, key_bits, vectors, _ = case
    expected = sum(vectors)[: packing.head].tolist()
    for streams in (of_seeds(), repeat(most())):
        total = summed(contributions(case, streams), NS[key_bits])
        assert read_head(total, packing).tolist() == expected


@SOME
@given(rounds())
def test_the_first_plaintexts_of_all_members_never_reach_a_quarter_of_n(case):
    """Added up as integers: no sum of them wraps around, whoever blinds and whatever is drawn."""
    packing, key_bits, _, _ = case
    of_head = len(pack(np.zeros(packing.head, dtype=np.int64), packing))
    parts = contributions(case, repeat(most()))
    for column in list(zip(*parts, strict=True))[:of_head]:
        assert 0 <= sum(column) < 2 ** (key_bits - 2)
    assert 2 * 2 ** (key_bits - 2) < NS[key_bits]


@pytest.mark.parametrize("key_bits", [512, 2048, 3072])
@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 8, 9, 16, 1000, 1024])
@pytest.mark.parametrize("value_bits", [1, 8, 16, 24, 32, 40])
def test_the_largest_sum_has_room_by_its_formula_too(key_bits, members, value_bits):
    """n·((2^128·2^(s·(f-h)) - 1)·2^(s·h) + Σ_(k<h) (2^v - 1)·2^(s·k)), by integers alone.

    s bits a slot, h values in the head, f of them and others in the first plaintext.
    """
    s = value_bits
    while 2 ** (s - value_bits) < members:
        s += 1
    for h in (1, 4):
        packing = Packing.choose(key_bits, value_bits, members, h)
        f = packing.first
        hiding = (2**128 * 2 ** (s * (f - h)) - 1) * 2 ** (s * h)
        of_head = sum((2**value_bits - 1) * 2 ** (s * k) for k in range(h))
        assert members * (hiding + of_head) < 2 ** (key_bits - 2)
        top = np.full(h, 2**value_bits - 1, dtype=np.int64)
        (found,) = blind(top, f, packing, mpz(2) ** key_bits - 1, most())
        assert found == hiding + of_head
        # The honest values that it hides are 2^128 times less, all members' together.
        honest = members * sum((2**value_bits - 1) * 2 ** (s * k) for k in range(h, f))
        assert honest * 2**128 <= hiding + 2 ** (s * h)


@SOME
@given(rounds())
def test_no_number_of_a_blinded_sum_but_the_head_is_that_of_the_honest_one(case):
    packing, key_bits, vectors, _ = case
    n, length = NS[key_bits], len(vectors[0])
    total = summed(contributions(case, of_seeds()), n)
    honest = summed([pack(vector, packing) for vector in vectors], n)
    shared = packing.first > packing.head
    of_head = 1 if shared else ciphertext_count(packing.head, packing)
    if shared:
        shift = packing.head * packing.slot_bits
        assert total[0] >> shift != honest[0] >> shift
    else:
        assert total[:of_head] == honest[:of_head]
    assert not any(a == b for a, b in zip(total[of_head:], honest[of_head:], strict=True))
    last = (length - packing.first - 1) % packing.slots + 1  # values of the last plaintext
    if shared or key_bits - last * packing.slot_bits > 64:  # or it may have the form by chance
        with pytest.raises(CorruptSum):
            unpack(total, packing, length)


@SOME
@given(rounds())
def test_what_is_blinded_has_the_form_of_what_is_not(case):
    packing, key_bits, vectors, _ = case
    n, length = NS[key_bits], len(vectors[0])
    for stream in (most(), Scripted(repeat(0)), Stream(seed_of("form"))):
        found = blind(vectors[0][: packing.head], length, packing, n, stream)
        assert len(found) == len(pack(vectors[0], packing)) == ciphertext_count(length, packing)
        assert all(0 <= plaintext < n for plaintext in found)


@SOME
@given(rounds())
def test_every_number_beside_or_after_the_head_is_drawn_and_drawn_wide_enough(case):
    """2^128 times the slots in use beside the head; N itself for a plaintext without a head."""
    packing, key_bits, vectors, _ = case
    n, length = NS[key_bits], len(vectors[0])
    stream = Scripted(repeat(0))
    blind(vectors[0][: packing.head], length, packing, n, stream)
    beside = (min(length, packing.first) - packing.head) * packing.slot_bits
    wide = [2 ** (128 + beside)] if beside else []
    of_head = ciphertext_count(packing.head, packing)
    assert stream.asked == wide + [n] * (ciphertext_count(length, packing) - of_head)


@pytest.mark.parametrize("honest", [(0, 0), (3, 3), (6, 6), (15, 15)])
def test_above_the_head_a_sum_is_spread_alike_whatever_the_others_add(monkeypatch, honest):
    """Counted over all that can be drawn, with 5 bits to hide by instead of 128.

    The statistical distance to the sum with honest parts of 0 is 2^-5 at most; what is left is
    where the drawn numbers end.
    """
    monkeypatch.setattr(module, "_HIDING_BITS", 5)
    packing, n, head = Packing(4, 20, 2, head=1), mpz(2) ** 100 + 1, np.array([3])
    assert packing.first > 3
    values = 2 ** (5 + 2 * packing.slot_bits)

    def spread(others: int) -> Counter[int]:
        stream = Scripted(iter(range(values)))
        return Counter(
            int(blind(head, 3, packing, n, stream)[0] + others) >> packing.slot_bits
            for _ in range(values)
        )

    others = sum(value << (packing.slot_bits * (1 + k)) for k, value in enumerate(honest))
    one, none = spread(others), spread(0)
    assert set(one.values()) == {1}
    distance = Fraction(sum(abs(one[k] - none[k]) for k in one | none), 2 * values)
    assert distance == Fraction(others >> packing.slot_bits, values) <= Fraction(1, 2**5)


@given(st.integers(0, 34))
def test_a_sum_without_a_head_is_uniform_whatever_the_others_add(others):
    """Counted over all numbers below a toy N."""
    packing, n = Packing(4, 1, 2, head=1), mpz(35)
    numbers = chain.from_iterable([k] for k in range(35))
    found = Counter(
        int(blind(np.array([1]), 2, packing, n, Scripted(numbers))[1] + others) % 35
        for _ in range(35)
    )
    assert found == Counter(range(35))


def test_two_blinded_plaintexts_of_one_stream_differ():
    packing = Packing.choose(512, 16, 5, 4)
    total = packing.first + 3 * packing.slots
    found = blind(np.arange(4), total, packing, NS[512], Stream(seed_of("differ")))
    again = blind(np.arange(4), total, packing, NS[512], Stream(seed_of("differ")))
    other = blind(np.arange(4), total, packing, NS[512], Stream(seed_of("other")))
    assert found == again
    assert len({*found, *other}) == 8


def test_a_head_without_its_plaintexts_is_refused():
    packing = Packing.choose(512, 16, 5, 27)  # of two plaintexts
    head = np.arange(27)
    right = pack(head, packing)
    assert read_head([*right, mpz(5)], packing).tolist() == head.tolist()
    for wrong in ([], right[:1], [-right[0], right[1]], [right[0], mpz(-1)], [mpz(-1), *right[1:]]):
        with pytest.raises(CorruptSum):
            read_head(wrong, packing)


@pytest.mark.parametrize("bad", [-1, 2**16, 2**62])
def test_a_head_outside_its_bits_is_refused_without_being_shown(bad):
    packing = Packing.choose(512, 16, 5, 3)
    with pytest.raises(BadPlaintext) as caught:
        blind(np.array([0, 2**16 - 1, bad]), 40, packing, NS[512], most())
    assert caught.value.position == 2
    assert str(bad) not in str(caught.value)
