"""A joint key from a dealer who knows the factors: for measurements, never for anything secret.

Its numbers have the lengths of a ceremony's, so that what is computed with them takes as long.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony.shamir import evaluate, integer_polynomial
from keyshare.key.encryption import Encryptor, randomiser_base
from keyshare.key.threshold_key import (
    JointKey,
    KeyShape,
    KeyShare,
    key_shape,
    key_share,
    verification_base,
    verification_key,
)
from keyshare.randomness import Stream

_CONTEXT = b"benchmark"


@dataclass(frozen=True)
class DealtKey:
    """The key, its shape, and the shares of all members."""

    key: JointKey
    shape: KeyShape
    shares: dict[int, KeyShare] = field(repr=False)

    def encryptor(self) -> Encryptor:
        """With a fresh table of powers."""
        return Encryptor(self.key.n, randomiser_base(self.key.n, _CONTEXT))


@lru_cache(maxsize=4)
def dealt_key(bits: int, members: int, quorum: int) -> DealtKey:
    """θ' = Δ²·φ·β + N·Δ·R and f_i = θ' - N·(ΔR)(i), as ``keyshare.key.threshold_key`` has them."""
    stream = Stream(secrets.token_bytes(32))
    p, q = _blum_prime(bits // 2, stream), _blum_prime(bits // 2, stream)
    n, phi = p * q, (p - 1) * (q - 1)
    shape = key_shape(n, members, quorum)
    beta, blind = stream.below(shape.mask_bound), stream.below(shape.blind_bound)
    theta = shape.delta**2 * phi * beta + n * shape.delta * blind
    degree = quorum - 1
    bound = shape.coefficient_bound(shape.blind_bound, degree)
    polynomial = integer_polynomial(shape.delta * blind, degree, bound, stream)
    shares = {
        i: key_share(i, theta, evaluate(polynomial, i), n) for i in range(1, members + 1)
    }  # fmt: skip
    base = verification_base(n, _CONTEXT)
    keys = tuple(verification_key(base, share, shape.delta, n) for share in shares.values())
    return DealtKey(JointKey(n, theta % n, members, quorum, base, keys), shape, shares)


def _blum_prime(bits: int, stream: Stream) -> mpz:
    """A prime of exactly ``bits`` bits, 3 mod 4; two of them have a product of twice as many."""
    while True:
        candidate = (stream.bits(bits) | 3 << bits - 2) | 3
        if gmpy2.is_prime(candidate, 30):
            return candidate
