"""Exact products mod x^N+1: the integers that schoolbook arithmetic gives, or none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import InexactProduct
from keyshare.hybrid import negacyclic
from keyshare.hybrid.lattice import S1, S2, Lattice, Ring
from keyshare.hybrid.negacyclic import Multiplier
from tests.keyshare.hybrid import plain_lattice
from tests.keyshare.hybrid.plain_lattice import product
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("lattice")
RINGS = pytest.mark.parametrize("ring", [S1, S2], ids=lambda ring: ring.name)


def schoolbook(a: list[int], b: list[int]) -> list[int]:
    """Σ_ij a_i·b_j·x^(i+j) with x^N = -1, from the definition."""
    found = [0] * len(a)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            found[(i + j) % len(a)] += x * y if i + j < len(a) else -x * y
    return found


def draws(label: str, low: int, high: int, *shape: int) -> np.ndarray:
    """Integers in [low, high), which follow from the label."""
    seed = int.from_bytes(seed_of(label)[:8], "big")
    return np.random.default_rng(seed).integers(low, high, shape)


@st.composite
def factors(draw):
    size = 2 ** draw(st.integers(1, 5))
    small = st.lists(st.integers(-2048, 2048), min_size=size, max_size=size)
    large = st.lists(st.integers(-(2**25), 2**25 - 1), min_size=size, max_size=size)
    return draw(small), draw(st.lists(large, min_size=1, max_size=3))


@given(factors())
@settings(max_examples=60, deadline=None)
def test_small_rings_agree_with_the_definition(case):
    small, rows = case
    found = Multiplier(np.array(small)).times(np.array(rows))
    assert found.tolist() == [schoolbook(row, small) for row in rows]


def test_one_huge_integer_multiplies_as_the_definition_does():
    """What the next tests compare with."""
    a, b = draws("a", -(2**25), 2**25, 64).tolist(), draws("b", -2048, 2049, 64).tolist()
    assert product(a, b) == schoolbook(a, b)


@RINGS
def test_limbs_of_several_blocks_times_a_secret_are_those_of_integers(ring):
    small = draws("secret", -90, 91, ring.degree)
    for bits in set(ring.limb_bits):
        rows = draws(f"rows {bits}", -(1 << (bits - 1)), 1 << (bits - 1), 3, ring.degree)
        found = Multiplier(small).times(rows)
        assert found.dtype == np.int64
        assert found.tolist() == [product(row, small.tolist()) for row in rows.tolist()]


def extremes(ring: Ring, bits: int) -> np.ndarray:
    """Rows of ±2^(b-1): all alike, alternating, and with signs at random."""
    high, low = (1 << (bits - 1)) - 1, -(1 << (bits - 1))
    rows = [
        np.full(ring.degree, low),
        np.where(np.arange(ring.degree) % 2, high, low),
        np.where(draws("signs", 0, 2, ring.degree), high, low),
    ]
    return np.array(rows)


@RINGS
@pytest.mark.parametrize("pattern", ["random signs", "random digits"])
def test_the_largest_summed_key_is_still_exact_with_the_largest_limbs(ring, pattern):
    members = min(1024, ring.max_members)
    largest = Lattice(ring, members).max_key_digit
    assert largest == {1024: 2_048, 256: 1_024}[members]
    small = draws(pattern, -largest, largest + 1, ring.degree)
    if pattern == "random signs":
        small = np.where(small < 0, -largest, largest)
    rows = extremes(ring, ring.limb_bits[0])
    found = Multiplier(small).times(rows)
    assert found.tolist() == [product(row, small.tolist()) for row in rows.tolist()]


@RINGS
@pytest.mark.parametrize("sign", [1, -1])
def test_a_summed_key_of_one_repeated_extreme_is_exact_or_refused(ring, sign):
    """The longest vectors there are add up in phase; no honest key is like that."""
    small = np.full(ring.degree, sign * Lattice(ring, min(1024, ring.max_members)).max_key_digit)
    for row in extremes(ring, ring.limb_bits[0]):
        try:
            found = Multiplier(small).times(row[None, :])
        except InexactProduct:
            continue
        assert found[0].tolist() == product(row.tolist(), small.tolist())


@RINGS
def test_a_product_is_linear_in_both_factors(ring):
    s, t = draws("s", -90, 91, ring.degree), draws("t", -90, 91, ring.degree)
    a, b = draws("ab", -(2**20), 2**20, 2, ring.degree)
    sum_of_keys = Multiplier(s + t).times(np.array([a]))
    assert (sum_of_keys == Multiplier(s).times(a[None]) + Multiplier(t).times(a[None])).all()
    assert (
        Multiplier(s).times((a + b)[None]) == Multiplier(s).times(np.array([a, b])).sum(0)
    ).all()


def test_x_to_the_n_is_minus_one():
    x = np.zeros(2048, dtype=np.int64)
    x[1] = 1
    top = np.zeros((1, 2048), dtype=np.int64)
    top[0, -1] = 5
    assert Multiplier(x).times(top)[0].tolist() == [-5] + [0] * 2047


def test_the_products_have_these_bits():
    for vector in VECTORS["rings"]:
        p = plain_lattice.SETS[vector["ring"]]
        (a,) = plain_lattice.expanded(p, plain_lattice.CONTEXT, 3, 1)
        s = plain_lattice.secret(p, plain_lattice.SEED)
        a = [x - p.q // 2 for x in a]
        total, below = [0] * p.degree, 0
        for bits in p.limb_bits:  # signed limbs, low first; the last takes what is left
            limbs = [x if bits + below == p.modulus_bits else (x + 2 ** (bits - 1)) % 2**bits
                     - 2 ** (bits - 1) for x in a]  # fmt: skip
            a = [(x - limb) >> bits for x, limb in zip(a, limbs, strict=True)]
            (part,) = Multiplier(np.array(s)).times(np.array([limbs])).tolist()
            total = [x + (y << below) for x, y in zip(total, part, strict=True)]
            below += bits
        assert plain_lattice.hashed(total, 16) == vector["product_sha256"]


# --- The guard -----------------------------------------------------------------------------------


def test_a_factor_far_too_large_is_refused_where_rounding_would_be_wrong(monkeypatch):
    large = draws("far too large", -(2**21), 2**21, 2048)
    rows = draws("limbs", -(2**25), 2**25, 2, 2048)
    with pytest.raises(InexactProduct) as error:
        Multiplier(large).times(rows)
    assert 0.25 < error.value.distance <= 0.5
    monkeypatch.setattr(negacyclic, "GUARD", 1)
    found = Multiplier(large).times(rows)
    assert found.tolist() != [product(row, large.tolist()) for row in rows.tolist()]


@pytest.mark.parametrize("exponent", range(12, 23, 2))
def test_at_every_size_a_product_is_exact_or_refused(exponent):
    large = draws(f"size {exponent}", -(2**exponent), 2**exponent, 2048)
    rows = draws(f"limbs {exponent}", -(2**25), 2**25, 1, 2048)
    try:
        found = Multiplier(large).times(rows)
    except InexactProduct:
        assert exponent > 16
    else:
        assert found[0].tolist() == product(rows[0].tolist(), large.tolist())


@RINGS
def test_no_product_that_is_made_reaches_the_integers_of_a_float_without_fractions(ring):
    """From 2^53 on every float is an integer: there the guard would see nothing."""
    largest = Lattice(ring, min(1024, ring.max_members)).max_key_digit
    limb = 1 << (max(ring.limb_bits) - 1)
    assert ring.degree * largest * limb < 1 << 50


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_not_a_number_is_refused():
    with pytest.raises(InexactProduct):
        Multiplier(np.full(16, np.inf)).times(np.ones((1, 16), dtype=np.int64))


def test_its_text_shows_no_secret():
    assert repr(Multiplier(np.arange(8))) == "Multiplier(<secret>)"
