"""The numbers of a statistic as plaintexts: whole multiples of a power of ten.

    x = k · 10^-decimals,  |k| <= B = ⌊(N - 1) / (3·members)⌋        plaintext:  k mod N

``decimals`` is one for all numbers of a round and of all hospitals, so that ciphertexts say nothing
of magnitudes and add up as they are. As many sums as there are members stay within N/3 on either
side of zero: what lies between N/3 and 2N/3 is no sum of honest numbers.
"""

from decimal import Decimal

from gmpy2 import mpz

from keyshare.errors import CorruptSum, UnfitNumber

MAX_DECIMALS = 100
_MAX_DIGITS = 10_000  # before the point or after; far beyond every key, and cheap


def decimals_of(number: Decimal) -> int:
    """How many digits after the point the number needs; 0 for a whole one.

    Raises UnfitNumber on NaN, infinity, or so many digits that no key has room for them.
    """
    return max(0, -_parts(number)[1])


def encode(number: Decimal, decimals: int, members: int, n: mpz) -> mpz:
    """The plaintext of a number, exactly, in [0, N).

    Raises UnfitNumber if it needs more decimals, or if a sum of ``members`` such numbers could
    leave the key's range.
    """
    digits, exponent = _parts(number)
    if exponent + decimals < 0:
        raise UnfitNumber(f"it needs {-exponent} decimals, the round has {decimals}")
    mantissa = digits * mpz(10) ** (exponent + decimals)
    if abs(mantissa) > (bound := (n - 1) // (3 * members)):
        # One digit less is allowed for certain, with whatever is left of them after the point.
        allowed = max(0, len(str(bound)) - 1 - decimals)
        raise UnfitNumber(
            f"it is too large: with {decimals} decimals at most {allowed} digits before the point "
            "are left"
        )
    return mantissa % n


def decode(plaintext: mpz, decimals: int, n: mpz) -> Decimal:
    """The number in a decrypted sum, exactly, with ``decimals`` digits after the point.

    Raises CorruptSum if no sum of honest numbers has this plaintext.
    """
    if not 0 <= plaintext < n:
        raise CorruptSum("plaintext out of range")
    mantissa = plaintext if 2 * plaintext < n else plaintext - n
    if 3 * abs(mantissa) >= n:
        raise CorruptSum("a number is outside the range that contributions leave room for")
    digits = tuple(map(int, str(abs(mantissa))))
    return Decimal((int(mantissa < 0), digits, -decimals))


def _parts(number: Decimal) -> tuple[mpz, int]:
    """(k, e) with the number = k·10^e, k without a trailing zero or 0."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise UnfitNumber("it is not a number that can be added")
    mantissa = mpz("".join(map(str, digits)))
    if not mantissa:
        return mantissa, 0
    while mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if abs(exponent) > _MAX_DIGITS or len(digits) > _MAX_DIGITS:
        raise UnfitNumber(f"it has more than {_MAX_DIGITS} digits")
    return -mantissa if sign else mantissa, exponent
