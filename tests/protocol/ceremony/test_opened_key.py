"""A toy key, opened and made again without the ceremony: the numbers are what they should be."""

import itertools
from functools import cache
from math import factorial, prod

import gmpy2
import pytest
from gmpy2 import mpq, mpz

from tests.stage.ceremony.opened_key import dealers_factors, factors_of_the_key
from tests.stage.toy import ToyEpoch, toy_epoch

SIZES = [(3, 2), (3, 3), (4, 2), (4, 3), (5, 2), (5, 3), (5, 5), (7, 4)]
pytestmark = pytest.mark.parametrize(("n", "quorum"), SIZES)


@cache
def factors(n: int, quorum: int) -> tuple[mpz, mpz]:
    return factors_of_the_key(toy_epoch(n, quorum).table)


def phi(n: int, quorum: int) -> mpz:
    p, q = factors(n, quorum)
    return (p - 1) * (q - 1)


def rational(values: dict[int, mpz], at: int) -> mpq:
    """The polynomial through all the points, at a further one."""
    terms = (v * prod(mpq(at - j, i - j) for j in values if j != i) for i, v in values.items())
    return sum(terms, mpq(0))


def interpolated(values: dict[int, mpz], at: int) -> mpz:
    total = rational(values, at)
    assert total.denominator == 1
    return mpz(total)


def test_the_modulus_is_the_product_of_two_large_primes(n, quorum):
    p, q = factors(n, quorum)
    assert p * q == toy_epoch(n, quorum).key.n
    assert p != q
    for factor in (p, q):
        assert gmpy2.is_prime(factor, 40)
        assert factor % 4 == 3
        assert factor.bit_length() == 128
    assert (p * q).bit_length() == 256
    assert gmpy2.gcd(p * q, p + q - 1) == 1
    assert gmpy2.gcd(p * q, phi(n, quorum)) == 1


def test_every_dealer_holds_a_part_of_the_factors_and_only_dealers_do(n, quorum):
    shares = dealers_factors(toy_epoch(n, quorum).table)
    assert len(shares) == (n - 1) // 2 + 1
    lead, *others = shares.values()
    assert [part % 4 for part in lead] == [3, 3]
    assert all(part % 4 == 0 for pair in others for part in pair)
    p, q = factors(n, quorum)
    assert not any(gmpy2.gcd(part, p * q) > 1 for pair in shares.values() for part in pair)


def test_theta_is_a_masked_phi_and_a_unit(n, quorum):
    """θ = c·Δ²φβ mod N with the sum β of the dealers' masks, read from their polynomials."""
    toy = toy_epoch(n, quorum)
    delta, key = mpz(factorial(n)), toy.key
    points = {i: m._run.the_winner.points for i, m in toy.table.machines.items()}
    first = dict(itertools.islice(points.items(), (n - 1) // 2 + 1))
    test_exponent = interpolated({i: point[0] for i, point in first.items()}, 0)
    beta = interpolated({i: point[1] for i, point in first.items()}, 0)
    assert 4 * test_exponent == delta * phi(n, quorum)
    assert beta % delta == 0
    assert 0 < beta // delta < ((n - 1) // 2 + 1) * key.n << 128
    factor = (2 * factorial(16)) ** 3 // factorial(n)  # so that the key can be handed over
    assert key.theta == factor * delta * phi(n, quorum) * beta % key.n
    assert gmpy2.gcd(key.theta, key.n) == 1


def test_shares_lie_on_a_polynomial_of_degree_quorum_minus_1_with_a_multiple_of_phi_at_0(n, quorum):
    toy = toy_epoch(n, quorum)
    shares = {i: share.value for i, share in toy.shares.items()}
    constants = set()
    for members in itertools.combinations(shares, quorum):
        chosen = {i: shares[i] for i in members}
        constants.add(interpolated(chosen, 0))
        assert all(interpolated(chosen, i) == value for i, value in shares.items())
    (constant,) = constants
    assert constant > 0
    assert constant % phi(n, quorum) == 0
    assert constant % toy.key.n == toy.key.theta


def test_fewer_shares_than_a_quorum_lie_on_no_polynomial_of_lower_degree(n, quorum):
    shares = {i: share.value for i, share in toy_epoch(n, quorum).shares.items()}
    known = dict(itertools.islice(shares.items(), quorum - 1))
    total = rational(known, 0)
    assert total.denominator != 1 or mpz(total) % phi(n, quorum) != 0


def test_verification_keys_are_those_of_the_shares(n, quorum):
    toy = toy_epoch(n, quorum)
    key, square = toy.key, toy.key.n**2
    p, q = factors(n, quorum)
    order = key.n * gmpy2.lcm(p - 1, q - 1)  # of the group modulo N²
    for i, share in toy.shares.items():
        exponent = factorial(n) * share.value % order
        expected = gmpy2.powmod(key.verification_base, exponent, square)
        assert key.verification_keys[i - 1] == expected
    assert len(set(key.verification_keys)) == n


def test_the_verification_base_is_a_square_of_large_order(n, quorum):
    toy: ToyEpoch = toy_epoch(n, quorum)
    base, (p, q) = toy.key.verification_base, factors(n, quorum)
    for prime in (p, q):
        assert gmpy2.jacobi(base, prime) == 1
        assert gmpy2.powmod(base, prime * (prime - 1), prime**2) == 1
        assert gmpy2.powmod(base, prime - 1, prime**2) != 1
        assert gmpy2.powmod(base, 4, prime) != 1


def test_a_quorum_decrypts_what_phe_would_encrypt(n, quorum):
    """c = (1+N)^m·r^N, decrypted with the opened factors and by shares alone."""
    toy = toy_epoch(n, quorum)
    key, square = toy.key, toy.key.n**2
    m, r = mpz(12345678901234567890), mpz(987654321)
    c = gmpy2.powmod(1 + key.n, m, square) * gmpy2.powmod(r, key.n, square) % square
    lam = phi(n, quorum)
    opened = (gmpy2.powmod(c, lam, square) - 1) // key.n * gmpy2.invert(lam, key.n) % key.n
    assert opened == m
    members = list(toy.shares)[-quorum:]
    chosen = {i: toy.shares[i].value for i in members}
    constant = interpolated(chosen, 0)
    plain = (gmpy2.powmod(c, constant, square) - 1) // key.n * gmpy2.invert(key.theta, key.n)
    assert plain % key.n == m
