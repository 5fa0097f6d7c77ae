"""A one-time key in plaintexts: sums of signed coefficients come back, whatever their signs."""

import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import CorruptSum
from keyshare.hybrid.gaussian import sample
from keyshare.hybrid.key_packing import key_ciphertext_count, pack_key, slots, unpack_key
from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import RINGS, S1, S2, Lattice
from tests.keyshare.hybrid import plain_lattice
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("lattice")
MODULI = {bits: (mpz(1) << (bits - 1)) + 297 for bits in (128, 255, 256, 512, 3072)}  # the least


def lattice(members: int = 16) -> Lattice:
    return Lattice(S1, members)


def keys(count: int, label: str = "key") -> list[np.ndarray]:
    return [sample(Keystream(seed_of(label, i)), S1.degree).astype(np.int64) for i in range(count)]


def summed(lists: list[list[mpz]], n: mpz) -> list[mpz]:
    """What the quorum decrypts: sums of plaintexts mod N."""
    return [sum(column) % n for column in zip(*lists, strict=True)]


@pytest.mark.parametrize("bits", list(MODULI))
@pytest.mark.parametrize("members", [2, 3, 16, 37])
def test_the_sum_of_packed_keys_is_the_packed_sum(bits, members):
    n, own, secrets = MODULI[bits], lattice(members), keys(members)
    plaintexts = [pack_key(s, own, n) for s in secrets]
    assert all(0 <= p < n for one in plaintexts for p in one)
    found = unpack_key(summed(plaintexts, n), own, n)
    assert found.dtype == np.int64
    assert (found == sum(secrets)).all()


def test_for_every_number_of_members_the_largest_sums_come_back():
    n = MODULI[3072]
    for members in range(2, 1025):
        own = lattice(members)
        largest = own.max_key_digit
        digits = np.full(S1.degree, -largest)
        digits[::3], digits[1::3] = largest, 0
        assert (unpack_key(pack_key(digits, own, n), own, n) == digits).all()


@pytest.mark.parametrize("members", [2, 16, 1024])
@pytest.mark.parametrize("bits", list(MODULI))
def test_the_ends_of_a_slot_come_back_in_every_slot(bits, members):
    own, n = lattice(members), MODULI[bits]
    end = (1 << (own.key_slot_bits - 1)) - 1
    signs = np.where(np.arange(S1.degree) % 2, end, -end)
    for digits in (np.full(S1.degree, end), np.full(S1.degree, -end), signs, -signs):
        assert (unpack_key(pack_key(digits, own, n), own, n) == digits).all()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_coefficients_come_back(data):
    own, n = lattice(data.draw(st.integers(2, 1024))), MODULI[256]
    end = (1 << (own.key_slot_bits - 1)) - 1
    pieces = data.draw(st.lists(st.integers(-end, end), min_size=1, max_size=60))
    digits = np.resize(np.array(pieces), S1.degree)
    assert (unpack_key(pack_key(digits, own, n), own, n) == digits).all()


def test_the_last_coefficient_alone_is_negative_and_nothing_borrows():
    own, n = lattice(), MODULI[256]
    digits = np.zeros(S1.degree, dtype=np.int64)
    digits[-1] = digits[slots(own, 256) - 1] = -1
    plaintexts = pack_key(digits, own, n)
    assert plaintexts[0] > n // 2
    assert plaintexts[1] == 0
    assert (unpack_key(plaintexts, own, n) == digits).all()


@pytest.mark.parametrize("vector", VECTORS["rings"], ids=lambda vector: vector["ring"])
def test_packed_keys_are_those_of_the_vectors(vector):
    own = Lattice(RINGS[vector["ring"]], vector["members"])
    p = plain_lattice.SETS[vector["ring"]]
    digits = plain_lattice.secret(p, plain_lattice.SEED)
    n = mpz(plain_lattice.KEY_N)
    found = pack_key(np.array(digits), own, n)
    assert found == plain_lattice.packed(digits, p, plain_lattice.KEY_N)
    assert [hex(found[0]), hex(found[-1])] == vector["packed"]
    assert len(found) == vector["packed_count"] == key_ciphertext_count(own, n.bit_length())


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("ring", [S1, S2], ids=lambda ring: ring.name)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_number_of_plaintexts_is_refused(ring, change):
    own, n = Lattice(ring, 16), MODULI[256]
    count = key_ciphertext_count(own, 256)
    with pytest.raises(CorruptSum):
        unpack_key([mpz(0)] * (count + change), own, n)
    with pytest.raises(CorruptSum):
        unpack_key([], own, n)


@pytest.mark.parametrize("position", [0, 1, -1])
def test_a_plaintext_beyond_its_slots_is_refused_and_its_place_named(position):
    own, n = lattice(), MODULI[512]
    digits = np.zeros(S1.degree, dtype=np.int64)
    plaintexts = pack_key(digits, own, n)
    used = slots(own, 512) if position >= 0 else S1.degree % slots(own, 512)
    reach = mpz(1) << (own.key_slot_bits * used)
    for wrong in (reach, n - reach, n // 2, n // 2 + 1):
        corrupt = [*plaintexts]
        corrupt[position] = wrong
        with pytest.raises(CorruptSum) as error:
            unpack_key(corrupt, own, n)
        assert error.value.position == position % len(plaintexts)
