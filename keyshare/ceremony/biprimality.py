"""Boneh-Franklin's test that N is the product of two primes, with nobody knowing them.

For p ≡ q ≡ 3 (mod 4) and (g/N) = 1, a biprime N gives g^((N+1-p-q)/4) ≡ ±1 (mod N). Each dealer of
p and q has a *test exponent*: x_i = (p_i+q_i)/4, and the lead, whose shares are 3 mod 4,
x_lead = (N-5)/4 - (p_lead+q_lead-6)/4. Then (N+1-p-q)/4 = x_lead - Σ_{i≠lead} x_i: each posts
g^(x_i), and N passes if the lead's value is ± the product of the others'.

The *screen* is one such round with g = 4, for all candidates: 4 has Jacobi symbol 1 for every N,
and powers of two cost the squarings alone. What passes it is tested ROUNDS times with hashed g.

A composite that is not a biprime passes one round with random g with probability at most 1/4,
given gcd(N, p+q-1) = 1, which is checked on its own [Chuang, Hsu, Lee, eprint 2024/2072].
Source of the test: Boneh, Franklin, J. ACM 48(4), 2001, §3.1.
"""

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


def exponent(is_lead: bool, p_share: mpz, q_share: mpz, n: mpz) -> mpz:
    """x_i of a dealer, exact: all but the lead hold multiples of 4, the lead 3 mod 4 twice."""
    total = p_share + q_share
    return (n - 5) // 4 - (total - 6) // 4 if is_lead else total // 4


def witness(g: mpz, x: mpz, n: mpz) -> mpz:
    """What a dealer posts for base g: g^(x_i) mod N."""
    return gmpy2.powmod(g, x, n)


def screen_witness(x: mpz, n: mpz) -> mpz:
    """What a dealer posts for the screen's base: 4^(x_i) mod N."""
    return gmpy2.powmod(2, 2 * x, n)


def accepts(witnesses: Mapping[int, mpz], lead: int, n: mpz) -> bool:
    """Whether all dealers' values for one base fit a biprime N; zeros never do."""
    product = mpz(1)
    for index, value in witnesses.items():
        if index != lead:
            product = product * value % n
    return product != 0 and witnesses[lead] in (product, n - product)


def screen_witnesses_fit(
    witnesses: Mapping[int, mpz], exponents: Mapping[int, mpz], weights: Mapping[int, mpz], p: mpz
) -> bool:
    """Whether all values of a screen are 4^(x_i) up to sign, modulo one factor p of the opened N.

    ∏ v_i^(2·w_i) = 4^(2·Σ w_i·x_i) mod p for random 64-bit weights w_i: one exponentiation for all
    of them (small-exponent test [Bellare, Garay, Rabin, EUROCRYPT 1998, §3], on squares).
    """
    product, total = mpz(1), mpz(0)
    for i, value in witnesses.items():
        product = product * gmpy2.powmod(value, 2 * weights[i], p) % p
        total += weights[i] * exponents[i]
    return bool(product == gmpy2.powmod(2, 4 * total, p))
