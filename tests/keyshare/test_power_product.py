"""Products of powers against one power after the other."""

from __future__ import annotations

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.power_product import power_product

LARGE = mpz(2) ** 521 - 1


@given(
    pairs=st.lists(st.tuples(st.integers(0, 2**600), st.integers(0, 2**140)), max_size=12),
    modulus=st.sampled_from([mpz(1), mpz(2), mpz(77), LARGE, LARGE * (LARGE - 2)]),
)
def test_a_product_of_powers_is_one_power_after_the_other(pairs, modulus):
    expected = mpz(1) % modulus
    for base, exponent in pairs:
        expected = expected * gmpy2.powmod(base, exponent, modulus) % modulus
    bases, exponents = [mpz(b) for b, _ in pairs], [mpz(e) for _, e in pairs]
    assert power_product(bases, exponents, modulus) == expected


def test_every_small_exponent_is_right():
    for exponent in range(600):
        assert power_product([mpz(3), mpz(5)], [mpz(exponent), mpz(600 - exponent)], LARGE) == (
            mpz(3) ** exponent * mpz(5) ** (600 - exponent) % LARGE
        )


def test_a_product_of_nothing_is_one():
    assert power_product([], [], LARGE) == 1
    assert power_product([mpz(0), mpz(7)], [mpz(0), mpz(0)], LARGE) == 1


def test_lists_of_different_lengths_and_negative_exponents_are_refused():
    with pytest.raises(ValueError, match="as many exponents as bases"):
        power_product([mpz(2)], [mpz(1), mpz(1)], LARGE)
    with pytest.raises(ValueError, match="not negative"):
        power_product([mpz(2)], [mpz(-1)], LARGE)
