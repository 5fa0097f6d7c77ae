"""Units of Z_N and Z_{N²}: what has powers that say something modulo every factor of N."""

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz

from keyshare.steps import Steps, finish, parts


def are_units(numbers: Sequence[mpz], modulus: mpz) -> bool:
    """Whether all lie in [1, modulus) and are coprime to it.

    A multiple of p has powers that say nothing modulo p, and N has the square 0 modulo N², which
    would fit every exponent, or as a number of a proof, any value.
    """
    return finish(are_units_in_steps(numbers, modulus))


def are_units_in_steps(numbers: Sequence[mpz], modulus: mpz) -> Steps[bool]:
    """The same in steps."""
    product = mpz(1)
    for part in parts(len(numbers)):
        for number in numbers[part]:
            if not 0 < number < modulus:
                return False
            product = product * number % modulus
        yield
    return bool(gmpy2.gcd(product, modulus) == 1)
