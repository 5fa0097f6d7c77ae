"""Products of very many powers: bases with the same digit are multiplied before they are raised.

    ∏ b_k^(e_k) = ∏_i (∏_d B_(i,d)^d)^(256^i),   B_(i,d) the product of all b_k of whose exponent
                                                the i-th digit is d, for digits of 8 bits

∏_d B_d^d takes two products for each d. So each base costs one product for each digit, and all of
them together 510 more for each: from some hundreds of bases on that is less than with a table of
each base's powers (``power_product``).

Source: Pippenger, SIAM J. Comput. 9(2):230-250, 1980; in this form Bernstein, Doumen, Lange,
Oosterwijk, "Faster batch forgery identification", INDOCRYPT 2012, §4.
"""

from collections.abc import Sequence
from itertools import pairwise

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

MANY = 512  # bases from which on this is the faster way
_TOGETHER = 4_096  # bases that stay near the processor while they are small
_DIGIT_BITS = 8


def bucket_product(bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
    """∏ bases_k^(exponents_k) mod modulus.

    exponents: at least 0, public (the time depends on them), as many as bases, of about the same
    length. Raises ValueError for lists of different lengths, and OverflowError below 0.
    """
    if len(bases) != len(exponents):
        raise ValueError("a product of powers takes as many exponents as bases")
    product = mpz(1) % modulus
    for start in range(0, len(bases), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        product = product * _product(bases[some], exponents[some], modulus) % modulus
    return product


def _product(bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
    product = mpz(1)
    for digits in _digits(exponents):
        product = gmpy2.powmod(product, 1 << _DIGIT_BITS, modulus)
        product = product * _weighed(bases, digits, modulus) % modulus
    return product


def _digits(exponents: Sequence[mpz]) -> NDArray[np.uint8]:
    """A row for each digit, the highest first, a column for each exponent."""
    size = (max(int(exponent).bit_length() for exponent in exponents) + 7) // 8
    data = b"".join(int(exponent).to_bytes(size, "big") for exponent in exponents)
    rows = np.frombuffer(data, np.uint8).reshape(len(exponents), size)
    return np.ascontiguousarray(rows.T)


def _weighed(bases: Sequence[mpz], digits: NDArray[np.uint8], modulus: mpz) -> mpz:
    """∏ bases_k^(digits_k) mod modulus."""
    order = np.argsort(digits, kind="stable").tolist()
    ends = np.cumsum(np.bincount(digits, minlength=1 << _DIGIT_BITS)).tolist()
    running = total = mpz(1)  # running: the product of all with at least this digit
    for first, last in reversed(list(pairwise(ends))):
        for k in order[first:last]:
            running = running * bases[k] % modulus
        total = total * running % modulus
    return total
