"""A number that unmodified ``phe`` encrypted, opened by whoever knows its randomness.

    c = (1 + mN)·r^N mod N²,  x = m·16^exponent  (m above 2N/3 stands for m - N)

Whoever knows r reads m, and only one m fits: c·r^-N = 1 + mN mod N².
"""

from decimal import Decimal
from fractions import Fraction

import gmpy2
import phe
from gmpy2 import mpz

from keyshare.errors import BadCiphertext, UnfitNumber
from keyshare.key.encryption import check_ciphertext

MAX_EXPONENT = 512
_BASE = phe.EncodedNumber.BASE


def open_ciphertext(ciphertext: mpz, r: mpz, n: mpz) -> mpz:
    """m in [0, N). Raises BadCiphertext if the ciphertext was not made with this r, 0 < r < N."""
    check_ciphertext(ciphertext, n)
    if not 0 < r < n or gmpy2.gcd(r, n) != 1:
        raise BadCiphertext("r is not a unit modulo N")
    square = n * n
    residue = ciphertext * gmpy2.invert(gmpy2.powmod(r, n, square), square) % square
    if residue % n != 1:
        raise BadCiphertext("it was not made with this r")
    return mpz(residue // n)


def decode(mantissa: mpz, exponent: int, n: mpz) -> Decimal:
    """The number as phe itself decodes it: an int, or a float as it is written shortest.

    0 <= mantissa < N, |exponent| <= 512. Raises UnfitNumber on what phe refuses, and on a number
    with more digits than a float has, which phe would round.
    """
    key = phe.PaillierPublicKey(int(n))
    try:
        found: int | float = phe.EncodedNumber(key, int(mantissa), exponent).decode()
    except OverflowError:
        raise UnfitNumber("phe itself cannot decode it") from None
    if isinstance(found, int):
        return Decimal(found)
    signed = mantissa if 2 * mantissa < n else mantissa - n
    if Fraction(found) != Fraction(int(signed), _BASE**-exponent):
        raise UnfitNumber("it has more digits than a float, and phe would round it")
    return Decimal(repr(found))
