"""Sharing over a field, over a ring and over the integers."""

import itertools
from math import factorial, prod

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.ceremony.shamir import (
    checked,
    evaluate,
    integer_lagrange,
    integer_polynomial,
    lagrange,
)
from keyshare.errors import BadIndices
from keyshare.randomness import Stream
from tests.stage.ceremony.interpolation import through
from tests.stage.toy import seed_of

PRIME = mpz(2) ** 521 - 1
MODULI = [PRIME, mpz(11 * 13 * 17), mpz(2) ** 607 - 1]  # every prime of them is above all points
seeds = st.binary(min_size=32, max_size=32)


def stream(seed: bytes) -> Stream:
    return Stream.derive(seed, "test")


def reconstruct(points: dict[int, mpz], modulus: mpz) -> mpz:
    weights = lagrange(points, modulus)
    return sum((weights[i] * value for i, value in points.items()), mpz(0)) % modulus


@st.composite
def sharings(draw):
    """(modulus, degree, polynomial, its points 1..n) over a field or a ring."""
    n = draw(st.integers(3, 7))
    degree = draw(st.integers(0, n - 1))
    modulus = draw(st.sampled_from(MODULI))
    source = stream(draw(seeds))
    polynomial = [source.below(modulus) for _ in range(degree + 1)]
    points = {i: evaluate(polynomial, i) % modulus for i in range(1, n + 1)}
    return modulus, degree, polynomial, points


@given(sharing=sharings(), data=st.data())
def test_any_degree_plus_one_shares_reconstruct(sharing, data):
    modulus, degree, polynomial, points = sharing
    order = data.draw(st.permutations(sorted(points)))
    size = data.draw(st.integers(degree + 1, len(points)))
    assert reconstruct({i: points[i] for i in order[:size]}, modulus) == polynomial[0]


@given(sharing=sharings(), data=st.data())
def test_degree_shares_fit_every_secret(sharing, data):
    """For any other secret there is exactly one polynomial through the same shares."""
    modulus, degree, _, points = sharing
    other = mpz(data.draw(st.integers(0, int(modulus) - 1)))
    known = data.draw(st.permutations(sorted(points)))[:degree]
    polynomial = through({0: other} | {i: points[i] for i in known}, modulus)
    for x in set(points) - set(known):
        extended = {i: points[i] for i in known} | {x: polynomial(x)}
        assert reconstruct(extended, modulus) == other


@given(left=seeds, right=seeds, n=st.integers(3, 7), modulus=st.sampled_from(MODULI))
def test_products_of_two_sharings_reconstruct_from_all_points(left, right, n, modulus):
    sources, degree = (stream(left), stream(right)), (n - 1) // 2
    f, g = ([source.below(modulus) for _ in range(degree + 1)] for source in sources)
    products = {i: evaluate(f, i) * evaluate(g, i) % modulus for i in range(1, n + 1)}
    assert reconstruct(products, modulus) == f[0] * g[0] % modulus


@pytest.mark.parametrize("n", [3, 5, 7])
def test_products_do_not_reconstruct_from_one_point_less_than_their_degree_takes(n):
    source, degree = stream(bytes(32)), (n - 1) // 2
    f = [source.below(PRIME) for _ in range(degree + 1)]
    products = {i: evaluate(f, i) ** 2 % PRIME for i in range(1, n)}
    assert reconstruct(products, PRIME) != f[0] ** 2 % PRIME


def test_a_modulus_with_a_prime_up_to_n_has_no_reconstruction():
    with pytest.raises(ZeroDivisionError):
        lagrange([1, 4], mpz(3 * 11))


def test_weights_are_those_worked_out_by_hand():
    """Through 1, 2, 3: f(0) = 3f(1) - 3f(2) + f(3)."""
    assert lagrange([1, 2, 3], mpz(17)) == {1: 3, 2: 14, 3: 1}
    assert integer_lagrange([1, 2, 3], mpz(6)) == {1: 18, 2: -18, 3: 6}
    assert integer_lagrange([2, 5], mpz(120)) == {2: 200, 5: -80}


@given(secret=st.integers(-(2**300), 2**300), n=st.integers(3, 7), seed=seeds, data=st.data())
def test_integer_shares_reconstruct_delta_times_the_secret(secret, n, seed, data):
    degree = data.draw(st.integers(1, n - 1))
    polynomial = integer_polynomial(mpz(secret), degree, mpz(2) ** 400, stream(seed))
    members = data.draw(st.permutations(range(1, n + 1)))[: degree + 1]
    weights = integer_lagrange(members, mpz(factorial(n)))
    total = sum(weights[i] * evaluate(polynomial, i) for i in members)
    assert total == factorial(n) * secret


@given(seed=seeds, degree=st.integers(0, 6), bound=st.integers(1, 2**200))
def test_an_integer_polynomial_has_its_secret_its_degree_and_its_range(seed, degree, bound):
    polynomial = integer_polynomial(mpz(-5), degree, mpz(bound), stream(seed))
    assert polynomial[0] == -5
    assert len(polynomial) == degree + 1
    assert all(0 <= coefficient < bound for coefficient in polynomial[1:])


@pytest.mark.parametrize(("degree", "n"), [(1, 3), (2, 5), (3, 5), (6, 7)])
def test_integer_shares_of_multiples_of_delta_fit_every_other_multiple(degree, n):
    """What ``degree`` members know: another secret differs by an integer polynomial, and its
    coefficients are below Δ·(secrets' range)·2^degree, as the ranges of a key's sharings assume."""
    delta, secret_bound = factorial(n), 1_000
    for known in itertools.combinations(range(1, n + 1), degree):
        for difference in (1, -1, secret_bound - 1):
            change = [mpz(delta * difference)]  # times ∏ (1 - x/j)
            for j in known:
                shifted = [mpz(0), *change]
                products = [c * j for c in change] + [mpz(0)]
                change = [a - b for a, b in zip(products, shifted, strict=True)]
            scale = prod(known)
            assert all(c % scale == 0 for c in change)
            change = [c // scale for c in change]
            assert change[0] == delta * difference
            assert all(evaluate(change, j) == 0 for j in known)
            assert max(map(abs, change[1:])) < delta * secret_bound * 2**degree


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


def test_the_same_stream_gives_the_same_polynomial_and_another_one_another():
    def drawn(*labels: str) -> list[mpz]:
        source = Stream.derive(seed_of("deal"), *labels)
        return integer_polynomial(mpz(5), 2, PRIME, source)

    assert drawn("a") == drawn("a")
    assert drawn("a")[1:] != drawn("b")[1:]
