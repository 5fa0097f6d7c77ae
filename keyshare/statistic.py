"""Sums of numbers that any program encrypted with unmodified ``phe``.

phe writes a number as mantissa · 16^exponent, encrypts the mantissa mod N (negative ones as
N - |mantissa|) and sends the exponent in the clear. Before two such numbers are added, the one
with the larger exponent is multiplied by 16^difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
import phe
from gmpy2 import mpz

from keyshare.encryption import add, check_ciphertext
from keyshare.errors import BadExponent, CorruptSum, EmptySum, StatisticOverflow

MAX_EXPONENT = 512
MAX_SPREAD = 256  # of the exponents of a sum; bounds the work that one number can cause
_BASE = mpz(16)  # phe.EncodedNumber.BASE


@dataclass(frozen=True)
class EncryptedValue:
    """What phe calls an EncryptedNumber: a unit of Z_{N²} and the power of 16 that scales it."""

    ciphertext: mpz
    exponent: int


def aligned_sum(values: Sequence[EncryptedValue], n: mpz) -> EncryptedValue:
    """What phe's additions give from left to right, bit for bit (not obfuscated anew).

    c = ∏ c_i^(16^(e_i - e)) mod N²,   e = min e_i

    Raises EmptySum, BadCiphertext, BadExponent: for |e_i| > 512, for a spread max e_i - e > 256,
    or for one at which a mantissa of 1 already overflows (16^spread > N/3; phe refuses as well).
    """
    if not values:
        raise EmptySum
    for value in values:
        _check_exponent(value.exponent)
        check_ciphertext(value.ciphertext, n)
    lowest = min(value.exponent for value in values)
    spread = max(value.exponent for value in values) - lowest
    limit = max_spread(n)
    if spread > limit:
        raise BadExponent(spread, limit, "spread of exponents")
    modulus = n * n
    aligned = (
        gmpy2.powmod(value.ciphertext, _BASE ** (value.exponent - lowest), modulus)
        for value in values
    )
    return EncryptedValue(add(aligned, n), lowest)


def max_spread(n: mpz) -> int:
    """The largest allowed difference of exponents: 256, or less where 16^256 > N/3 - 1."""
    largest = n // 3 - 1  # phe's max_int
    return min(MAX_SPREAD, (int(largest).bit_length() - 1) // 4)


def decode(plaintext: mpz, exponent: int, n: mpz) -> int | float:
    """The number that phe reads in a decrypted mantissa: an int if exponent >= 0, else a float.

    0 <= plaintext < N. Raises BadExponent, CorruptSum (plaintext out of range), StatisticOverflow
    (a mantissa between N/3 and 2N/3, or a number too large for a float).
    """
    _check_exponent(exponent)
    if not 0 <= plaintext < n:
        raise CorruptSum("plaintext out of range")
    key = phe.PaillierPublicKey(int(n))
    try:
        number: int | float = phe.EncodedNumber(key, int(plaintext), exponent).decode()
    except OverflowError as error:
        raise StatisticOverflow(exponent) from error
    return number


def _check_exponent(exponent: int) -> None:
    if abs(exponent) > MAX_EXPONENT:
        raise BadExponent(exponent, MAX_EXPONENT, "exponent")
