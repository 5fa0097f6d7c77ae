"""A threshold key from a dealer who knows the factors of N: for tests and measurements.

    F(x) = Δ²·φ·β - N·(a_1·x + … + a_(quorum-1)·x^(quorum-1)),   f_i = F(i),   θ = F(0) mod N

This is the key of ``keyshare.key.threshold_key`` with one dealer: R does not occur, since f_i is
θ' - N·(ΔR)(i) there, and θ', in which it hides φ, is never opened here. β and a_k have the ranges
of a ceremony, so that what is computed with the shares takes as long, and so that quorum-1 of them
are within 2^-128 of shares of any other F(0) that has the same θ: two of these differ by e·N, Δ²
divides e, and |e| < Δ²·K·N. The polynomial that is e at 0 and 0 at the known points has integer
coefficients below |e|·2^(quorum-1), and a_k is drawn from a range members·K·2^128 times as large.

Sources are those of ``keyshare.key.threshold_key``.
"""

import secrets

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import evaluate, integer_polynomial
from keyshare.key.threshold_key import (
    JointKey,
    SecretShare,
    key_shape,
    secret_share,
    verification_base,
    verification_key,
)
from keyshare.randomness import Stream


def deal_shares(bits: int, members: int, quorum: int) -> tuple[JointKey, dict[int, SecretShare]]:
    """The key, and the share of each member 1, 2, …; bits: even. Raises BadParameters."""
    stream = Stream(secrets.token_bytes(32))
    p, q = blum_prime(bits // 2, stream), blum_prime(bits // 2, stream)
    n, phi = p * q, (p - 1) * (q - 1)
    shape = key_shape(n, members, quorum)
    constant = shape.delta**2 * phi * stream.below(shape.mask_bound)
    bound = shape.coefficient_bound(shape.blind_bound, quorum - 1)
    polynomial = integer_polynomial(mpz(0), quorum - 1, bound, stream)
    everyone = range(1, members + 1)
    shares = {i: secret_share(i, constant, evaluate(polynomial, i), n) for i in everyone}
    base = verification_base(n, b"dealer")
    keys = tuple(verification_key(base, share, shape.delta, n) for share in shares.values())
    return JointKey(n, constant % n, members, quorum, base, keys, shape.share_bound), shares


def blum_prime(bits: int, stream: Stream) -> mpz:
    """A prime of exactly ``bits`` bits, 3 mod 4; two of them have a product of twice as many."""
    while True:
        candidate = (stream.bits(bits) | 3 << bits - 2) | 3
        if gmpy2.is_prime(candidate, 30):
            return candidate
