"""Sharing over a field, over Z_M and over the integers."""

from __future__ import annotations

import itertools
from math import factorial

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.errors import BadIndices
from keyshare.modulus import candidate_shape
from keyshare.randomness import Stream
from keyshare.shamir import (
    checked,
    deal,
    deal_integer,
    evaluate,
    integer_lagrange,
    lagrange,
    reconstruct,
    zero_share,
)
from tests.toy import seed_of

PRIME = mpz(2) ** 521 - 1
MODULI = [PRIME, candidate_shape(256, 7).units, candidate_shape(512, 7).units, mpz(11 * 13 * 17)]
seeds = st.binary(min_size=32, max_size=32)


def stream(seed: bytes) -> Stream:
    return Stream.derive(seed, "test")


@st.composite
def sharings(draw):
    """(modulus, secret, degree, n, shares) with every prime of the modulus above n."""
    n = draw(st.integers(3, 7))
    degree = draw(st.integers(0, n - 1))
    modulus = draw(st.sampled_from(MODULI))
    secret = mpz(draw(st.integers(0, int(modulus) - 1)))
    return modulus, secret, degree, n, deal(secret, degree, n, modulus, stream(draw(seeds)))


@given(sharing=sharings(), data=st.data())
def test_any_degree_plus_one_shares_reconstruct(sharing, data):
    modulus, secret, degree, n, shares = sharing
    order = data.draw(st.permutations(range(1, n + 1)))
    size = data.draw(st.integers(degree + 1, n))
    assert reconstruct({i: shares[i - 1] for i in order[:size]}, modulus) == secret
    assert all(0 <= share < modulus for share in shares)


@given(sharing=sharings(), data=st.data())
def test_degree_shares_fit_every_secret(sharing, data):
    """For any other secret there is exactly one polynomial through the same shares."""
    modulus, _, degree, n, shares = sharing
    other = mpz(data.draw(st.integers(0, int(modulus) - 1)))
    known = data.draw(st.permutations(range(1, n + 1)))[:degree]
    points = {0: other} | {i: shares[i - 1] for i in known}
    for x in set(range(1, n + 1)) - set(known):
        extended = {i: shares[i - 1] for i in known} | {x: _through(points, x, modulus)}
        assert reconstruct(extended, modulus) == other


def _through(points: dict[int, mpz], x: int, modulus: mpz) -> mpz:
    total = mpz(0)
    for i, value in points.items():
        term = mpz(value)
        for j in points:
            if j != i:
                term = term * (x - j) * gmpy2.invert(i - j, modulus) % modulus
        total += term
    return total % modulus


@given(left=seeds, right=seeds, n=st.integers(3, 7), modulus=st.sampled_from(MODULI))
def test_products_of_two_sharings_reconstruct_from_all_points(left, right, n, modulus):
    degree = (n - 1) // 2
    a, b = stream(left).below(modulus), stream(right).below(modulus)
    products = {
        i: x * y % modulus
        for i, (x, y) in enumerate(
            zip(
                deal(a, degree, n, modulus, stream(left)),
                deal(b, degree, n, modulus, stream(right)),
                strict=True,
            ),
            start=1,
        )
    }
    assert reconstruct(products, modulus) == a * b % modulus


def test_a_modulus_with_a_prime_up_to_n_has_no_reconstruction():
    with pytest.raises(ZeroDivisionError):
        lagrange([1, 4], mpz(3 * 11))


@given(
    secret=st.integers(-(2**300), 2**300),
    n=st.integers(3, 7),
    seed=seeds,
    data=st.data(),
)
def test_integer_shares_reconstruct_delta_times_the_secret(secret, n, seed, data):
    degree = data.draw(st.integers(1, n - 1))
    shares = deal_integer(mpz(secret), degree, n, mpz(2) ** 400, stream(seed))
    members = data.draw(st.permutations(range(1, n + 1)))[: degree + 1]
    weights = integer_lagrange(members, mpz(factorial(n)))
    assert sum(weights[i] * shares[i - 1] for i in members) == factorial(n) * secret


@pytest.mark.parametrize("n", range(3, 8))
def test_delta_clears_all_denominators(n):
    for size in range(1, n + 1):
        for members in itertools.combinations(range(1, n + 1), size):
            weights = integer_lagrange(members, mpz(factorial(n)))
            for power in range(size):
                total = sum(w * mpz(i) ** power for i, w in weights.items())
                assert total == (factorial(n) if power == 0 else 0)


def test_a_delta_too_small_for_its_members_is_refused():
    with pytest.raises(BadIndices):
        integer_lagrange([2, 5, 7], mpz(1))


@pytest.mark.parametrize("indices", [[], [0, 1], [-1, 2], [1, 1], [3, 2, 3]])
def test_points_that_are_not_distinct_and_positive_are_refused(indices):
    with pytest.raises(BadIndices) as raised:
        checked(indices)
    assert raised.value.indices == sorted(indices)
    with pytest.raises(BadIndices):
        lagrange(indices, PRIME)


def test_lagrange_weights_do_not_depend_on_the_order():
    assert lagrange([3, 1, 2], PRIME) == lagrange([1, 2, 3], PRIME)


@given(coefficients=st.lists(st.integers(-(2**80), 2**80), max_size=6), x=st.integers(0, 20))
def test_evaluation_is_the_sum_of_powers(coefficients, x):
    expected = sum(c * x**k for k, c in enumerate(coefficients))
    assert evaluate([mpz(c) for c in coefficients], x) == expected


def test_the_same_stream_deals_the_same_shares_and_another_one_others():
    def dealt(*labels):
        return deal(mpz(5), 2, 5, PRIME, Stream.derive(seed_of("deal"), *labels))

    assert dealt("a") == dealt("a")
    assert dealt("a") != dealt("b")


def pairwise_zero_shares(n: int, modulus: mpz, purpose: str, skip: tuple[int, int] | None = None):
    """Shares of zero of n members; ``skip`` replaces one pair's key on the receiver's side."""
    keys = {(i, j): seed_of("pair", i, j) for i in range(n) for j in range(n) if i != j}
    shares = []
    for i in range(n):
        sent = [Stream.derive(keys[i, j], purpose) for j in range(n) if j != i]
        received = [
            Stream.derive(b"x" * 32 if (j, i) == skip else keys[j, i], purpose)
            for j in range(n)
            if j != i
        ]
        shares.append(zero_share(sent, received, modulus))
    return shares


@pytest.mark.parametrize("n", range(3, 8))
@pytest.mark.parametrize("modulus", MODULI)
def test_shares_of_zero_add_up_to_zero_and_are_not_zero(n, modulus):
    shares = pairwise_zero_shares(n, modulus, "zero")
    assert sum(shares) % modulus == 0
    assert all(0 <= share < modulus for share in shares)
    assert len(set(shares)) == n
    assert shares != pairwise_zero_shares(n, modulus, "another purpose")


def test_shares_of_zero_need_both_ends_to_hold_the_same_key():
    assert sum(pairwise_zero_shares(4, PRIME, "zero", skip=(2, 0))) % PRIME != 0
