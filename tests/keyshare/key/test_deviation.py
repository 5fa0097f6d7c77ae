"""D ties test exponents to what was dealt: 0 for honest dealers, fixed by t+1 points, no news."""

from dataclasses import dataclass
from itertools import combinations

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.ceremony.biprimality import exponent
from keyshare.ceremony.modulus import CandidateShape, candidate_shape, deal_factors
from keyshare.ceremony.shamir import evaluate, integer_lagrange, integer_polynomial
from keyshare.key.deviation import part, vanishes
from keyshare.key.threshold_key import KeyShape, key_shape
from keyshare.randomness import Stream
from tests.stage.ceremony.interpolation import through
from tests.stage.elimination import rank
from tests.stage.toy import seed_of

every_n = pytest.mark.parametrize("n", range(3, 10))


@dataclass(frozen=True)
class Dealt:
    """One candidate, its dealers' points of p_i and q_i, and their sharings of Δ·x_i."""

    shape: CandidateShape
    key: KeyShape
    points: list[dict[int, tuple[mpz, mpz]]]  # by dealer, the lead first, and member
    sharings: list[list[mpz]]

    @property
    def prime(self) -> mpz:
        return (mpz(1) << self.shape.field_exponent) - 1

    @property
    def members(self) -> range:
        return range(1, self.key.n_members + 1)

    def part(self, dealer: int, member: int) -> mpz:
        point = evaluate(self.sharings[dealer], member)
        return part(dealer == 0, *self.points[dealer][member], point, self.key, self.prime)

    def deviation(self) -> dict[int, mpz]:
        """D(j) of every member."""
        dealers = range(len(self.points))
        return {j: sum(self.part(i, j) for i in dealers) % self.prime for j in self.members}


def dealt(n: int, bits: int, seed: object, error: int = 0) -> Dealt:
    """A random candidate, dealt and shared honestly but for an error in the last one's exponent."""
    shape = candidate_shape(bits, n)
    dealings = [
        deal_factors(shape, i == 0, [seed_of("deviation", n, bits, seed, i)])
        for i in range(shape.dealers)
    ]
    p, q = (sum(side) for side in zip(*(d.factors[0] for d in dealings), strict=True))
    key = key_shape(p * q, n, n // 2 + 1)
    sharings = []
    for i, dealing in enumerate(dealings):
        x = exponent(i == 0, *dealing.factors[0], key.n)
        x += error if i == shape.degree else 0
        bound = key.coefficient_bound(key.n, key.degree)
        stream = Stream.derive(seed_of("deviation", n, bits, seed), i)
        sharings.append(integer_polynomial(key.delta * x, key.degree, bound, stream))
    points = [{j: d.points(j) for j in range(1, n + 1)} for d in dealings]
    return Dealt(shape, key, points, sharings)


# ── honest dealers ──


@every_n
@pytest.mark.parametrize("bits", [256, 512])
def test_of_honest_dealers_d_has_degree_t_and_is_0_at_0_and_so_has_each_part(n, bits):
    for seed in range(8):
        made = dealt(n, bits, seed)
        degree, prime = made.shape.degree, made.prime
        assert vanishes(made.deviation(), degree, prime)
        for i in range(made.shape.dealers):
            assert vanishes({j: made.part(i, j) for j in made.members}, degree, prime)
        # More than its degree asks for, so that this says something.
        assert degree == 1 or not vanishes(made.deviation(), degree - 1, prime)


def test_integer_points_far_above_the_field_change_nothing():
    """512 bits: P has 521, points some 650; equal integers have equal residues."""
    made = dealt(5, 512, "large")
    assert min(evaluate(f, j) for f in made.sharings for j in made.members) > made.prime << 64
    assert vanishes(made.deviation(), made.shape.degree, made.prime)


@every_n
def test_another_exponent_than_the_one_dealt_shows_in_any_t_plus_1_points(n):
    for error in (1, -1, 1 << 200):
        made = dealt(n, 256, "wrong", error)
        found, degree = made.deviation(), made.shape.degree
        assert not vanishes(found, degree, made.prime)
        for few in combinations(made.members, degree + 1):
            assert not vanishes({j: found[j] for j in few}, degree, made.prime)


@every_n
def test_one_wrong_point_among_all_shows(n):
    made = dealt(n, 256, "point")
    for liar in made.members:
        wrong = made.deviation()
        wrong[liar] = (wrong[liar] + 1) % made.prime
        assert not vanishes(wrong, made.shape.degree, made.prime)


def test_points_of_t_members_show_nothing():
    made = dealt(7, 256, "few", error=5)
    found = made.deviation()
    assert vanishes({j: found[j] for j in (2, 4, 7)}, made.shape.degree, made.prime)
    assert vanishes({}, made.shape.degree, made.prime)


def test_errors_of_two_dealers_that_cancel_are_none_of_the_sum_and_show_in_their_parts():
    made = dealt(5, 256, "cancel")
    for i, change in ((1, 3), (2, -3)):
        made.sharings[i][0] += change * made.key.delta
    degree, prime = made.shape.degree, made.prime
    assert vanishes(made.deviation(), degree, prime)
    shown = [vanishes({j: made.part(i, j) for j in made.members}, degree, prime) for i in range(3)]
    assert shown == [True, False, False]


# ── by computation of another kind: linear algebra ──


@given(st.data())
def test_vanishing_is_what_solving_for_the_coefficients_says(data):
    prime, n = mpz(101), data.draw(st.integers(3, 9))
    degree = (n - 1) // 2
    coefficients = data.draw(st.lists(st.integers(0, 100), min_size=degree, max_size=degree))
    members = sorted(data.draw(st.sets(st.integers(1, n), min_size=1)))
    points = {j: mpz(sum(c * j**k for k, c in enumerate(coefficients, 1))) for j in members}
    if data.draw(st.booleans()):
        points[data.draw(st.sampled_from(members))] += data.draw(st.integers(1, 100))
    powers = [[mpz(j) ** k % prime for k in range(1, degree + 1)] for j in members]
    with_values = [[*row, points[j] % prime] for row, j in zip(powers, members, strict=True)]
    assert vanishes(points, degree, prime) == (rank(powers, prime) == rank(with_values, prime))


@every_n
def test_a_coalition_of_t_members_knows_every_point_before_it_is_posted(n):
    """By interpolation through 0 and its own points; what its own dealers deal it knows anyway."""
    made = dealt(n, 256, "coalition")
    found, degree, prime = made.deviation(), made.shape.degree, made.prime
    for coalition in list(combinations(made.members, degree))[:20]:
        known = through({0: mpz(0)} | {i: found[i] for i in coalition}, prime)
        for j in set(made.members) - set(coalition):
            assert known(j) == found[j]


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_with_all_points_of_d_a_coalition_has_not_one_equation_more(n):
    """Unknown: an honest dealer's polynomials of p_i, q_i and Δx_i, whose constants are bound."""
    shape = candidate_shape(256, n)
    prime, width = (mpz(1) << shape.field_exponent) - 1, shape.dealers
    delta = key_shape(mpz(3), n, 2).delta

    def point(which: int, at: int) -> list[mpz]:
        row = [mpz(0)] * (3 * width)
        row[which * width : (which + 1) * width] = [mpz(at) ** k for k in range(width)]
        return row

    def combined(at: int) -> list[mpz]:  # 4·f - Δ·(p + q)
        p, q, f = (point(which, at) for which in range(3))
        return [(4 * c - delta * (a + b)) % prime for a, b, c in zip(p, q, f, strict=True)]

    bound = combined(0)  # = 0: 4·Δ·x_i = Δ·(p_i + q_i)
    for coalition in combinations(range(1, n + 1), shape.degree):
        seen = [bound, *(point(which, j) for which in range(3) for j in coalition)]
        told = [combined(j) for j in range(1, n + 1)]
        assert rank(seen, prime) == rank(seen + told, prime)
        for secret in (point(0, 0), point(1, 0), point(2, 0)):
            assert rank([*seen, *told, secret], prime) == rank(seen, prime) + 1
        # Did its constants not fit, D would tell of them: the elimination can tell.
        assert rank([*seen[1:], *told], prime) == rank(seen[1:], prime) + 1


# ── how many multiples of the field's order there are in range ──


def multiples(bits: int, n: int) -> mpz:
    """Of m for which 4·F = Δ²·(N+1-s) + m·P may be, F from t+1 members' points in their range."""
    shape, key = candidate_shape(bits, n), key_shape((mpz(1) << bits) - 1, n, n // 2 + 1)
    prime = (mpz(1) << shape.field_exponent) - 1
    largest = max(
        sum(map(abs, integer_lagrange(few, key.delta).values()))
        for few in combinations(range(1, n + 1), shape.dealers)
    )
    integers = 4 * largest * shape.dealers * key.point_bound(key.n, key.degree)
    return 2 * integers // prime + 1


@pytest.mark.parametrize(("n", "at_most"), [(3, 1), (4, 4), (5, 10_000), (9, 1 << 53)])
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_of_few_members_there_are_few_multiples_of_the_fields_order_in_range(bits, n, at_most):
    assert multiples(bits, n) <= at_most


@pytest.mark.parametrize("n", [10, pytest.param(16, marks=pytest.mark.slow)])
def test_in_every_size_they_are_nothing_beside_the_order(n):
    assert all(multiples(bits, n) < 1 << 133 for bits in (2048, 3072, 4096))
