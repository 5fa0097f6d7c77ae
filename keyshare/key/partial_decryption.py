"""Decryption by a quorum: each member's part, and putting the parts together.

Source: Nishide, Sakurai, WISA 2010, §4.4; Shoup, EUROCRYPT 2000, §2.2 for the integer Lagrange
coefficients, which the combiner applies so that another quorum reuses the same parts.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadCombination, TooFewPartials
from keyshare.key.threshold_key import JointKey, SecretShare, combine_exponents


def partial_decryption(ciphertext: mpz, share: SecretShare, key: JointKey) -> mpz:
    """c_i = c^(2Δ·f_i) mod N², for c in Z*_{N²}."""
    return gmpy2.powmod(ciphertext, 2 * key.delta * share.value, key.n * key.n)


def combine(partials: Mapping[int, mpz], key: JointKey) -> mpz:
    """Plaintext of a ciphertext from a quorum's partial decryptions.

    m = L(∏ c_i^(2Δλ_i) mod N²) · (4Δ²θ)^-1 mod N, L(u) = (u-1)/N   [Nishide-Sakurai 2010, §4.4]

    partials: member index (1..n) -> c_i in Z*_{N²}; at least ``key.quorum`` of them, the lowest
    indices are used. Returns 0 <= m < N. Raises TooFewPartials; BadCombination when the product is
    not 1 mod N, which one wrong part suffices for.
    """
    if len(partials) < key.quorum:
        raise TooFewPartials(len(partials), key.quorum)
    members = sorted(partials)[: key.quorum]
    product = combine_exponents(partials, members, key, factor=2)
    quotient, remainder = gmpy2.f_divmod(product - 1, key.n)
    if remainder:
        raise BadCombination(members)
    return quotient * gmpy2.invert(4 * key.delta**2 * key.theta, key.n) % key.n


@lru_cache(maxsize=4)
def trial_ciphertext(n: mpz, context: bytes) -> tuple[mpz, mpz]:
    """A plaintext and its encryption, derived from the session by anyone: the test of a key.

    The last ones are kept: whoever judges the parts of all members needs it for each.
    """
    size = (n.bit_length() + 7) // 8 + 16
    seed = b"quorate/trial-ciphertext" + len(context).to_bytes(8, "big") + context
    data = hashlib.shake_256(seed + int(n).to_bytes(size, "big")).digest(2 * size)
    plaintext = mpz(int.from_bytes(data[:size], "big")) % n
    noise = mpz(int.from_bytes(data[size:], "big")) % n
    ciphertext = (1 + plaintext * n) * gmpy2.powmod(noise, n, n * n) % (n * n)
    return plaintext, ciphertext
