"""Products of powers by buckets; what they share with the other way, ``test_power_product`` has."""

import pytest
from gmpy2 import mpz

from keyshare.proofs import bucket_product as module
from keyshare.proofs.bucket_product import bucket_product
from keyshare.proofs.power_product import power_product

LARGE = mpz(2) ** 521 - 1


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_bases_that_are_not_all_worked_at_together_count_once_each(monkeypatch, count):
    monkeypatch.setattr(module, "_TOGETHER", 8)
    bases = [mpz(3) ** k % LARGE for k in range(1, count + 1)]
    exponents = [mpz(7) ** (20 + k) for k in range(count)]
    assert bucket_product(bases, exponents, LARGE) == power_product(bases, exponents, LARGE)


@pytest.mark.parametrize("digit_bits", module._DIGIT_BITS)
@pytest.mark.parametrize("bits", [1, 31, 128, 256])
def test_digits_of_every_length_are_right(monkeypatch, digit_bits, bits):
    monkeypatch.setattr(module, "_DIGIT_BITS", [digit_bits])
    exponents = [mpz(2) ** bits - 1, mpz(2) ** (bits - 1), mpz(3) ** bits >> (bits // 2)]
    bases = [mpz(3), mpz(5), LARGE - 2]
    expected = power_product(bases, exponents, LARGE)
    assert bucket_product(bases, exponents, LARGE) == expected


def test_digits_are_those_of_the_fewest_products():
    found = [module._digit_bits(count, 256) for count in (1, 100, 512, 3_000, 100_000)]
    assert found == [4, 4, 6, 8, 10]


def test_negative_exponents_are_refused():
    with pytest.raises(OverflowError):
        bucket_product([mpz(3)], [mpz(-1)], LARGE)
