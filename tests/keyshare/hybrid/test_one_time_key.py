"""A one-time key: sums of what it encrypts are exact, and depend on what they should."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import BadPlaintext, CorruptSum
from keyshare.hybrid import one_time_key
from keyshare.hybrid.lattice import RINGS, S1, S2, Lattice, Ring
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, add_chunk, write_sum
from tests.keyshare.hybrid import plain_lattice
from tests.keyshare.hybrid.chunk_sums import BOTH, CONTEXT, Sum, small_sum, weights
from tests.stage.rounds.whole_update import sum_of
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("lattice")


def public_polynomials(ring: Ring, context: bytes, chunk: int, blocks: int) -> list[list[int]]:
    """a_j of a chunk's first blocks as integers in [0, q): 1 is multiplied with them."""
    one = np.zeros(ring.degree, dtype=np.int64)
    one[0] = 1
    public = one_time_key._PublicPolynomials(ring, context, chunk)
    found = public.times(one_time_key.Multiplier(one), blocks).tolist()
    return [[value % (1 << ring.modulus_bits) for value in row] for row in found]


# --- Sums are exact ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("members", [2, 3, 16, 100, 1024])
def test_the_sum_of_all_members_is_exact_even_where_all_send_the_largest(ring, members):
    members = min(members, ring.max_members)
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
    lattice = Lattice(
        ring,
        data.draw(st.integers(2, min(1024, ring.max_members))),
        data.draw(st.sampled_from([1, 2])),
    )
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
        sums.add(write_sum(sum_of((sent[i] for i in order), lattice), lattice))
    assert len(sums) == 1


def test_adding_leaves_the_contribution_as_it_was():
    lattice = Lattice(S2, S2.max_members)  # where a sum's words are as wide as a machine's
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
        with pytest.raises(BadPlaintext) as error:
            OneTimeKey(lattice, seed_of(0)).encrypt(0, values, CONTEXT)
        assert error.value.position == index
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
