"""A long public power with checkpoints, checked with an eighth of its squarings.

For U_0^z of up to ``bits`` bits, s limbs of w = ⌈bits/s⌉ bits, z = Σ z_j·2^(j·w):

    U_j = U_0^(2^(j·w))  for 0 < j < s, given by whoever has computed them
    ρ_j                  weights of 128 bits, drawn once U_j, z and what U_0^z shall be are fixed
    e_j = z_j + 2^w·ρ_(j+1) - ρ_j,  ρ_0 = ρ_s = 0

    ∏ U_j^(e_j) = ∏ U_j^(z_j) · ∏ F_j^(-ρ_j)  with  F_j = U_j / U_(j-1)^(2^w)

If all F_j are 1, this is U_0^z. If some F_j is not, the product has a given value for one ρ_j at
most, modulo the order of F_j. That is sound as far as nobody can name elements of small order; in
Z*_{N²} everyone knows the order of 1+N, but it is N. (Wesolowski's proof of a power, one element in
place of s-1, would be unsound there: who knows the order of 1+N takes any root of it.)

Sources: our own composition. Random weights: Bellare, Garay, Rabin, EUROCRYPT 1998, §3; batches of
claims x^(2^w) = y: Rotem, TCC 2021; a chain of squarings cut at known points: Pietrzak, ITCS 2019.
"""

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz

LIMBS = 8  # s; 12 or 16 save the verifier a tenth at 3072 bits, and cost as many more numbers
WEIGHT_BITS = 128


def checkpoints(base: mpz, bits: int, modulus: mpz) -> tuple[mpz, ...]:
    """U_1, …, U_(s-1): base^(2^(j·w)) mod modulus."""
    step, found = mpz(1) << limb_bits(bits), [base]
    for _ in range(LIMBS - 1):
        found.append(gmpy2.powmod(found[-1], step, modulus))
    return tuple(found[1:])


def checked_exponents(exponent: mpz, bits: int, weights: Sequence[mpz]) -> list[mpz]:
    """e_0, …, e_(s-1), of w + 129 bits at most; some may be negative, the last most likely.

    exponent: z in [0, 2^bits); weights: ρ_1, …, ρ_(s-1). Raises ValueError for others.
    """
    if not 0 <= exponent < mpz(1) << bits:
        raise ValueError("the exponent is out of range")
    if len(weights) != LIMBS - 1:
        raise ValueError("each checkpoint takes one weight")
    w, zero = limb_bits(bits), mpz(0)
    return [
        gmpy2.f_mod_2exp(exponent >> j * w, w) + (rising << w) - falling
        for j, (rising, falling) in enumerate(zip((*weights, zero), (zero, *weights), strict=True))
    ]


def limb_bits(bits: int) -> int:
    """w."""
    return -(-bits // LIMBS)
