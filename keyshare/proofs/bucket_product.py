"""Products of very many powers: bases with the same digit are multiplied before they are raised.

    ∏ b_k^(e_k) = ∏_i (∏_d B_(i,d)^d)^(2^(c·i)),   B_(i,d) the product of all b_k of whose exponent
                                                 the i-th digit is d, for digits of c bits

∏_d B_d^d takes two products for each d. So each base costs one product for each digit, and all of
them together 2^(c+1) more for each: from some hundreds of bases on that is less than with a table
of each base's powers (``power_product``). The more bases there are, the longer digits may be.

Source: Pippenger, SIAM J. Comput. 9(2):230-250, 1980; in this form Bernstein, Doumen, Lange,
Oosterwijk, "Faster batch forgery identification", INDOCRYPT 2012, §4.
"""

from collections.abc import Iterator, Sequence

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

MANY = 512  # bases from which on this is the faster way
_TOGETHER = 8_192  # bases that stay near the processor while they are small
_DIGIT_BITS = range(4, 11)  # beyond, the B_(i,d) of all i are too many to stay there


def bucket_product(bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
    """∏ bases_k^(exponents_k) mod modulus.

    exponents: at least 0, public (the time depends on them), as many as bases, of about the same
    length. Raises ValueError for lists of different lengths, and OverflowError below 0.
    """
    if len(bases) != len(exponents):
        raise ValueError("a product of powers takes as many exponents as bases")
    longest = max((exponent.bit_length() for exponent in exponents), default=0)
    digit_bits = _digit_bits(len(bases), longest)
    buckets = [[mpz(1)] * (1 << digit_bits) for _ in range(0, longest, digit_bits)]
    for start in range(0, len(bases), _TOGETHER):
        some = bases[start : start + _TOGETHER]
        digits = _digits(exponents[start : start + _TOGETHER], longest, digit_bits)
        for products, row in zip(buckets, digits, strict=True):
            for base, digit in zip(some, row.tolist(), strict=True):
                products[digit] = products[digit] * base % modulus
    product = mpz(1) % modulus
    for products in reversed(buckets):
        product = gmpy2.powmod(product, 1 << digit_bits, modulus)
        product = product * _weighed(products, modulus) % modulus
    return product


def _digit_bits(count: int, longest: int) -> int:
    """c for the fewest products."""
    return min(_DIGIT_BITS, key=lambda c: -(-longest // c) * (count + (2 << c)))


def _digits(
    exponents: Sequence[mpz], longest: int, digit_bits: int
) -> Iterator[NDArray[np.uint32]]:
    """A row for each digit, the lowest first, with that of each exponent."""
    size = longest // 8 + 3  # a digit lies in three bytes
    data = b"".join([exponent.to_bytes(size, "little") for exponent in exponents])
    rows = np.frombuffer(data, np.uint8).reshape(len(exponents), size).T.astype(np.uint32)
    for place in range(0, longest, digit_bits):
        first, shift = divmod(place, 8)
        low, middle, high = rows[first : first + 3]
        yield (low | middle << 8 | high << 16) >> shift & ((1 << digit_bits) - 1)


def _weighed(products: Sequence[mpz], modulus: mpz) -> mpz:
    """∏ products_d^d mod modulus."""
    running = total = mpz(1)  # running: the product of all with at least this digit
    for product in products[:0:-1]:
        running = running * product % modulus
        total = total * running % modulus
    return total
