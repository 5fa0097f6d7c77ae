"""Statistics: what phe encrypts adds and decodes as phe itself does it."""

import functools
import operator
from fractions import Fraction

import phe
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import BadCiphertext, BadExponent, CorruptSum, EmptySum, StatisticOverflow
from keyshare.statistic import EncryptedValue, aligned_sum, decode, max_spread

PUBLIC, PRIVATE = phe.generate_paillier_keypair(n_length=512)
N = mpz(PUBLIC.n)

integers = st.integers(-(2**100), 2**100)
fractions = st.floats(-1e15, 1e15, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-20)
numbers = st.one_of(integers, fractions)


def encrypted_value(number: phe.EncryptedNumber) -> EncryptedValue:
    return EncryptedValue(mpz(number.ciphertext(be_secure=False)), number.exponent)


def decrypt(value: EncryptedValue) -> int | float:
    return decode(mpz(PRIVATE.raw_decrypt(int(value.ciphertext))), value.exponent, N)


def check_against_phe(encrypted: list[phe.EncryptedNumber]) -> int | float:
    """Our sum equals phe's, bit for bit and when decrypted; gives the decrypted sum."""
    theirs = functools.reduce(operator.add, encrypted)
    ours = aligned_sum([encrypted_value(number) for number in encrypted], N)
    assert ours == encrypted_value(theirs)
    total, expected = decrypt(ours), PRIVATE.decrypt(theirs)
    assert total == expected
    assert type(total) is type(expected)
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=6))
def test_the_sum_is_that_of_phe_bit_for_bit(clear):
    total = check_against_phe([PUBLIC.encrypt(x) for x in clear])
    exact = sum(map(Fraction, clear))
    assert total == (int(exact) if all(isinstance(x, int) for x in clear) else float(exact))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**60), 2**60), st.integers(-40, 40)), min_size=2, max_size=5)
)
def test_mixed_exponents_of_either_sign_align_as_in_phe(pairs):
    encrypted = [
        phe.EncryptedNumber(PUBLIC, PUBLIC.raw_encrypt(mantissa % PUBLIC.n), exponent)
        for mantissa, exponent in pairs
    ]
    check_against_phe(encrypted)


@pytest.mark.parametrize(
    ("clear", "total"),
    [
        ([3, 5, 0], 8),
        ([-3, 5, -10], -8),
        ([0.5, 0.25, 2], 2.75),
        ([-1.5, 1.5], 0.0),
        ([7], 7),
    ],
)
def test_numbers_of_hospitals_add(clear, total):
    assert check_against_phe([PUBLIC.encrypt(x) for x in clear]) == total


def test_the_order_does_not_matter():
    values = [encrypted_value(PUBLIC.encrypt(x)) for x in (1, 0.125, -3.7, 10**12)]
    assert aligned_sum(values, N) == aligned_sum(values[::-1], N)


def value(exponent: int, ciphertext: mpz | None = None) -> EncryptedValue:
    return EncryptedValue(
        mpz(PUBLIC.raw_encrypt(1)) if ciphertext is None else ciphertext, exponent
    )


@pytest.mark.parametrize("exponent", [513, -513, 10**9])
def test_an_exponent_out_of_range_is_refused(exponent):
    with pytest.raises(BadExponent) as caught:
        aligned_sum([value(exponent)], N)
    assert caught.value.exponent == exponent
    with pytest.raises(BadExponent):
        decode(mpz(1), exponent, N)


def test_the_largest_spread_is_that_of_phe():
    limit = max_spread(N)
    check_against_phe([phe.EncryptedNumber(PUBLIC, PUBLIC.raw_encrypt(1), e) for e in (0, limit)])
    with pytest.raises(ValueError, match="Integer needs to be within"):
        phe.EncryptedNumber(PUBLIC, PUBLIC.raw_encrypt(1), 0) + phe.EncryptedNumber(
            PUBLIC, PUBLIC.raw_encrypt(1), limit + 1
        )
    with pytest.raises(BadExponent) as caught:
        aligned_sum([value(0), value(limit + 1)], N)
    assert (caught.value.exponent, caught.value.limit) == (limit + 1, limit)


def test_a_large_key_does_not_widen_the_spread_beyond_256():
    assert max_spread(mpz(2) ** 3072) == 256
    n = mpz(2) ** 3072 - 1  # no key, but odd and long enough to get as far as the spread
    aligned_sum([EncryptedValue(mpz(2), -128), EncryptedValue(mpz(2), 128)], n)
    with pytest.raises(BadExponent):
        aligned_sum([EncryptedValue(mpz(2), -128), EncryptedValue(mpz(2), 129)], n)


@pytest.mark.parametrize("ciphertext", [mpz(0), N * N, mpz(PRIVATE.p), mpz(-5)])
def test_a_ciphertext_that_is_no_unit_is_refused(ciphertext):
    with pytest.raises(BadCiphertext):
        aligned_sum([value(0), value(0, ciphertext)], N)


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(EmptySum):
        aligned_sum([], N)


def test_a_sum_beyond_a_third_of_the_key_is_an_overflow():
    encrypted = [PUBLIC.encrypt(PUBLIC.max_int)] * 2
    with pytest.raises(OverflowError):
        PRIVATE.decrypt(functools.reduce(operator.add, encrypted))
    with pytest.raises(StatisticOverflow):
        decrypt(aligned_sum([encrypted_value(number) for number in encrypted], N))


def test_a_number_too_large_for_a_float_is_an_overflow():
    n = mpz(2) ** 2048 - 1  # decoding needs no key, only its size
    with pytest.raises(StatisticOverflow) as caught:
        decode(n // 3 - 1, -1, n)
    assert caught.value.exponent == -1


@pytest.mark.parametrize("plaintext", [mpz(-1), N, N + 5])
def test_a_plaintext_out_of_range_is_refused(plaintext):
    with pytest.raises(CorruptSum):
        decode(plaintext, 0, N)
