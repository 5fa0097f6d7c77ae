"""Commitments to polynomials: in a group whose order is known here, and modulo a product."""

from math import factorial

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import assume, given
from hypothesis import strategies as st

from keyshare.ceremony.feldman import add, commit, commitment_at, fits
from keyshare.ceremony.shamir import evaluate, integer_lagrange, integer_polynomial
from keyshare.randomness import Stream
from tests.stage.toy import seed_of

# Safe primes: the squares modulo P·Q are a cyclic group of order p'·q', both prime.
P, Q = mpz(1_019), mpz(1_187)
N = P * Q
ORDER = ((P - 1) // 2) * ((Q - 1) // 2)
U = mpz(4)
MEMBERS = range(1, 8)
coefficient = st.integers(-(2**200), 2**200).map(mpz)
polynomials = st.lists(coefficient, min_size=1, max_size=6)


def test_the_base_of_these_tests_has_the_order_they_assume():
    assert all(gmpy2.is_prime(x) for x in (P, Q, (P - 1) // 2, (Q - 1) // 2))
    assert gmpy2.powmod(U, ORDER, N) == 1
    for divisor in ((P - 1) // 2, (Q - 1) // 2):
        assert gmpy2.powmod(U, divisor, N) != 1


@given(polynomial=polynomials, member=st.integers(1, 16))
def test_a_commitment_at_a_point_is_the_power_of_the_value_there(polynomial, member):
    value = sum(c * mpz(member) ** k for k, c in enumerate(polynomial))
    commitments = commit(polynomial, U, N)
    assert commitments == [gmpy2.powmod(U, c % ORDER, N) for c in polynomial]
    assert commitment_at(commitments, member, N) == gmpy2.powmod(U, value % ORDER, N)


@given(polynomial=polynomials, member=st.integers(1, 16))
def test_every_point_of_the_polynomial_fits(polynomial, member):
    commitments = commit(polynomial, U, N)
    assert fits(evaluate(polynomial, member), commitments, member, U, N)


@given(polynomial=polynomials, member=st.integers(1, 16), error=coefficient)
def test_a_wrong_point_fits_exactly_if_it_is_off_by_a_multiple_of_the_order(
    polynomial, member, error
):
    commitments = commit(polynomial, U, N)
    point = evaluate(polynomial, member)
    assert fits(point + error, commitments, member, U, N) == (error % ORDER == 0)
    assert fits(point + ORDER, commitments, member, U, N)


@given(polynomial=polynomials, data=st.data(), error=st.integers(1, int(ORDER) - 1))
def test_a_wrong_coefficient_is_seen_by_who_has_a_point(polynomial, data, error):
    wrong = data.draw(st.integers(0, len(polynomial) - 1))
    commitments = commit(polynomial, U, N)
    commitments[wrong] = commitments[wrong] * gmpy2.powmod(U, error, N) % N
    for member in MEMBERS:  # their powers are units modulo the order
        assert not fits(evaluate(polynomial, member), commitments, member, U, N)


@given(polynomial=polynomials, extra=st.integers(1, int(ORDER) - 1))
def test_a_polynomial_longer_than_its_commitments_is_seen_by_everyone(polynomial, extra):
    commitments = commit(polynomial, U, N)
    longer = [*polynomial, mpz(extra)]
    for member in MEMBERS:
        assert not fits(evaluate(longer, member), commitments, member, U, N)


@given(polynomial=polynomials, left=st.integers(1, 16), right=st.integers(1, 16))
def test_the_point_of_another_member_does_not_fit(polynomial, left, right):
    values = evaluate(polynomial, left), evaluate(polynomial, right)
    assume((values[0] - values[1]) % ORDER != 0)
    assert not fits(values[0], commit(polynomial, U, N), right, U, N)


@given(st.data(), st.integers(1, 4), st.integers(0, 5))
def test_commitments_to_a_sum_are_those_of_the_summands(data, dealers, degree):
    row = st.lists(coefficient, min_size=degree + 1, max_size=degree + 1)
    dealt = [data.draw(row) for _ in range(dealers)]
    total = [sum(column, mpz(0)) for column in zip(*dealt, strict=True)]
    assert add([commit(f, U, N) for f in dealt], N) == commit(total, U, N)


def test_dealers_with_polynomials_of_different_degrees_do_not_add_up():
    with pytest.raises(ValueError, match="zip"):
        add([[mpz(2), mpz(3)], [mpz(2)]], N)


@pytest.mark.parametrize("divisor", [(P - 1) // 2, (Q - 1) // 2])
def test_a_base_of_a_small_order_lets_wrong_points_pass(divisor):
    """Why u is a hash that nobody chooses, and N is checked to be a biprime."""
    weak = gmpy2.powmod(U, ORDER // divisor, N)
    polynomial = [mpz(5), mpz(7)]
    commitments = commit(polynomial, weak, N)
    assert fits(evaluate(polynomial, 2) + divisor, commitments, 2, weak, N)
    assert not fits(evaluate(polynomial, 2) + divisor, commit(polynomial, U, N), 2, U, N)


@pytest.mark.parametrize("quorum", [2, 3, 5])
def test_points_that_all_fit_interpolate_to_delta_times_the_committed_constant(quorum):
    stream, delta = Stream.derive(seed_of("feldman"), quorum), mpz(factorial(5))
    polynomial = integer_polynomial(stream.bits(100), quorum - 1, mpz(1) << 300, stream)
    commitments = commit(polynomial, U, N)
    points = {i: evaluate(polynomial, i) for i in range(1, 6)}
    assert all(fits(point, commitments, i, U, N) for i, point in points.items())
    for members in ([1, 2, 3, 4, 5], list(range(6 - quorum, 6))):
        weights = integer_lagrange(members, delta)
        product = mpz(1)
        for i, weight in weights.items():
            product = product * gmpy2.powmod(commitment_at(commitments, i, N), weight, N) % N
        assert product == gmpy2.powmod(commitments[0], delta, N)
