"""Products of powers, in both ways, against one power after the other."""

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.proofs.bucket_product import bucket_product
from keyshare.proofs.power_product import _window_bits, power_product

LARGE = mpz(2) ** 521 - 1
either_way = pytest.mark.parametrize("product", [power_product, bucket_product])


@either_way
@given(
    pairs=st.lists(st.tuples(st.integers(0, 2**600), st.integers(0, 2**140)), max_size=12),
    modulus=st.sampled_from([mpz(1), mpz(2), mpz(77), LARGE, LARGE * (LARGE - 2)]),
)
def test_a_product_of_powers_is_one_power_after_the_other(product, pairs, modulus):
    expected = mpz(1) % modulus
    for base, exponent in pairs:
        expected = expected * gmpy2.powmod(base, exponent, modulus) % modulus
    bases, exponents = [mpz(b) for b, _ in pairs], [mpz(e) for _, e in pairs]
    assert product(bases, exponents, modulus) == expected


@either_way
def test_every_small_exponent_is_right(product):
    for exponent in range(600):
        assert product([mpz(3), mpz(5)], [mpz(exponent), mpz(600 - exponent)], LARGE) == (
            mpz(3) ** exponent * mpz(5) ** (600 - exponent) % LARGE
        )


@either_way
def test_a_product_of_nothing_is_one(product):
    assert product([], [], LARGE) == 1
    assert product([mpz(0), mpz(7)], [mpz(0), mpz(0)], LARGE) == 1


def test_a_negative_exponent_inverts_its_base():
    found = power_product([mpz(3), mpz(5)], [mpz(-600), mpz(7)], LARGE)
    assert found * mpz(3) ** 600 % LARGE == mpz(5) ** 7
    with pytest.raises(ValueError, match="no inverse"):
        power_product([mpz(7)], [mpz(-1)], mpz(77))


@pytest.mark.parametrize("bits", [1, 128, 256, 1_000, 5_000])
def test_windows_of_every_length_are_right(bits):
    exponents = [mpz(2) ** bits - 1, mpz(2) ** (bits - 1), mpz(3) ** bits >> (bits // 2)]
    bases = [mpz(3), mpz(5), LARGE - 2]
    expected = mpz(1)
    for base, exponent in zip(bases, exponents, strict=True):
        expected = expected * gmpy2.powmod(base, exponent, LARGE) % LARGE
    assert power_product(bases, exponents, LARGE) == expected


def test_windows_grow_with_the_exponent_and_are_those_of_the_fewest_products():
    assert [_window_bits(bits) for bits in (1, 128, 256, 1_000, 5_000)] == [1, 4, 5, 6, 8]


@either_way
def test_lists_of_different_lengths_are_refused(product):
    with pytest.raises(ValueError, match="as many exponents as bases"):
        product([mpz(2)], [mpz(1), mpz(1)], LARGE)
