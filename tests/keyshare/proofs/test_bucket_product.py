"""Products of many powers by buckets, against one power after the other."""

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.proofs import bucket_product as module
from keyshare.proofs.bucket_product import bucket_product
from keyshare.proofs.power_product import power_product

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
    assert bucket_product(bases, exponents, modulus) == expected


def test_every_digit_is_right():
    for exponent in range(600):
        assert bucket_product([mpz(3), mpz(5)], [mpz(exponent), mpz(600 - exponent)], LARGE) == (
            mpz(3) ** exponent * mpz(5) ** (600 - exponent) % LARGE
        )


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_bases_that_are_not_all_worked_at_together_count_once_each(monkeypatch, count):
    monkeypatch.setattr(module, "_TOGETHER", 8)
    bases = [mpz(3) ** k % LARGE for k in range(1, count + 1)]
    exponents = [mpz(7) ** (20 + k) for k in range(count)]
    assert bucket_product(bases, exponents, LARGE) == power_product(bases, exponents, LARGE)


def test_a_product_of_nothing_is_one():
    assert bucket_product([], [], LARGE) == 1
    assert bucket_product([mpz(0), mpz(7)], [mpz(0), mpz(0)], LARGE) == 1


def test_negative_exponents_and_lists_of_different_lengths_are_refused():
    with pytest.raises(OverflowError):
        bucket_product([mpz(3)], [mpz(-1)], LARGE)
    with pytest.raises(ValueError, match="as many exponents as bases"):
        bucket_product([mpz(2)], [mpz(1), mpz(1)], LARGE)
