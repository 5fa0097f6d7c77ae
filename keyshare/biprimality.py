"""Boneh-Franklin's test that N is the product of two primes, with nobody knowing them.

For p ≡ q ≡ 3 (mod 4) and (g/N) = 1, a biprime N gives g^((N+1-p-q)/4) ≡ ±1 (mod N). Member i holds
e_1 = (p_1+q_1-6)/4 or e_i = (p_i+q_i)/4, so that (N+1-p-q)/4 = (N-5)/4 - Σ e_i. In each test one
member, the *lead*, posts g^((N-5)/4 - e_lead) and every other one g^(e_i): N passes if the lead's
value is ± the product of the others. The lead changes with the candidate, which spreads the one
long exponent over the members.

A composite that is not a biprime passes one round with probability at most 1/4, given
gcd(N, p+q-1) = 1, which is checked on its own [Chuang, Hsu, Lee, eprint 2024/2072].
Source of the test: Boneh, Franklin, J. ACM 48(4), 2001, §3.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import gmpy2
from gmpy2 import mpz

ROUNDS = 64  # (1/4)^64 = 2^-128


def round_base(context: bytes, n: mpz, number: int) -> mpz:
    """g in Z_N with Jacobi symbol 1, hashed from the session, N and the round's number."""
    size = (n.bit_length() + 7) // 8
    seed = hashlib.sha256(
        b"quorate/biprimality"
        + len(context).to_bytes(8, "big")
        + context
        + size.to_bytes(8, "big")
        + int(n).to_bytes(size, "big")
        + number.to_bytes(8, "big")
    ).digest()
    counter = 0
    while True:
        block = hashlib.shake_256(seed + counter.to_bytes(8, "big")).digest(size + 16)
        g = mpz(int.from_bytes(block, "big")) % n
        if gmpy2.jacobi(g, n) == 1:
            return g
        counter += 1


def exponent(index: int, p_share: mpz, q_share: mpz) -> mpz:
    """e_i, exact: all but member 1 hold multiples of 4, member 1 holds 3 mod 4 twice."""
    total = p_share + q_share
    return (total - 6) // 4 if index == 1 else total // 4


def lead_of(candidate: int, n_members: int) -> int:
    """The member that takes the long exponent in the test of a candidate."""
    return candidate % n_members + 1


def witness(index: int, lead: int, g: mpz, n: mpz, e: mpz) -> mpz:
    """What a member posts for base g: g^(e_i), or g^((N-5)/4 - e_i) if it leads."""
    return gmpy2.powmod(g, (n - 5) // 4 - e if index == lead else e, n)


def accepts(witnesses: Mapping[int, mpz], lead: int, n: mpz) -> bool:
    """Whether all members' values for one base fit a biprime N."""
    product = mpz(1)
    for index, value in witnesses.items():
        if index != lead:
            product = product * value % n
    return witnesses[lead] in (product, n - product)


def gap_share(index: int, p_share: mpz, q_share: mpz, n: mpz) -> mpz:
    """Additive share of p + q - 1 modulo N."""
    return (p_share + q_share - (1 if index == 1 else 0)) % n


def gap_is_coprime(masked_gap: mpz, n: mpz) -> bool:
    """gcd(r·(p+q-1), N) = 1 for the jointly drawn mask r, as far as the opened product tells."""
    return bool(gmpy2.gcd(masked_gap, n) == 1)
