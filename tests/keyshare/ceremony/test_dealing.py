"""What dealers draw for a batch: residues, lengths, sharings, and how many of them are prime."""

import hashlib
import itertools
import math
from collections import Counter
from functools import lru_cache

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.ceremony import modulus
from keyshare.ceremony.modulus import (
    TRIAL_BOUND,
    Dealing,
    candidate_shape,
    deal_factors,
    expected_candidates,
    expected_tests,
    interval,
    survivors,
)
from keyshare.ceremony.shamir import lagrange
from tests.vectors import vectors

VECTORS = vectors("dealing")
SIZES = [(256, 3), (256, 4), (256, 5), (258, 7), (512, 5), (512, 16), (2048, 5)]
sizes = pytest.mark.parametrize(("bits", "n"), SIZES)


def leaves_of(dealer: int, count: int) -> list[bytes]:
    return [hashlib.sha256(f"leaf {dealer} {k}".encode()).digest() for k in range(count)]


@lru_cache(maxsize=16)
def dealt(bits: int, n: int, count: int = 40) -> tuple[Dealing, ...]:
    """All dealers' dealings for one class, the lead's first."""
    shape = candidate_shape(bits, n)
    return tuple(deal_factors(shape, d == 0, leaves_of(d, count)) for d in range(shape.dealers))


def factors(dealings: tuple[Dealing, ...]) -> list[tuple[mpz, mpz]]:
    """p and q of each candidate, as sums."""
    columns = zip(*(dealing.factors for dealing in dealings), strict=True)
    return [(sum(p for p, _ in c), sum(q for _, q in c)) for c in columns]


def assert_uniform(found: list[int], size: int) -> None:
    """Chi-square over [0, size), at a level of e^-10 [Laurent, Massart, 2000, lemma 1]."""
    counts, expected, dof = Counter(found), len(found) / size, size - 1
    assert expected >= 10
    assert set(counts) <= set(range(size))
    statistic = sum((counts[k] - expected) ** 2 / expected for k in range(size))
    assert statistic < dof + 2 * (10 * dof) ** 0.5 + 2 * 10


@pytest.mark.parametrize("vector", VECTORS["dealings"])
def test_dealings_are_those_of_the_vectors(vector):
    shape = candidate_shape(vector["bits"], vector["members"])
    dealing = deal_factors(shape, vector["lead"], [bytes.fromhex(vector["leaf"])])
    assert dealing.factors == ((mpz(vector["p"]), mpz(vector["q"])),)
    points = [row % dealing.rows.prime for row in dealing.points(vector["members"])]
    assert points == [int(point) for point in vector["points_of_last_member"]]


@settings(max_examples=25, deadline=None)
@given(
    size=st.sampled_from(SIZES),
    is_lead=st.booleans(),
    leaves=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=6),
    data=st.data(),
)
def test_a_candidate_depends_on_its_own_leaf_alone(size, is_lead, leaves, data):
    """Or opening the others' leaves would not show what was dealt for them."""
    shape, k = candidate_shape(*size), data.draw(st.integers(0, len(leaves) - 1))
    together = deal_factors(shape, is_lead, leaves)
    alone = deal_factors(shape, is_lead, leaves[k : k + 1])
    assert together.factors[k] == alone.factors[0]
    for polynomial, single in zip(together.polynomials, alone.polynomials, strict=True):
        assert [together.rows.split(row)[k] for row in polynomial] == single


@sizes
def test_leads_and_other_dealers_have_the_residues_of_their_part(bits, n):
    shape = candidate_shape(bits, n)
    for number, dealing in enumerate(dealt(bits, n)):
        for share in itertools.chain.from_iterable(dealing.factors):
            for r in shape.sieve:
                assert 1 <= share % r <= interval(r, shape.dealers)
            if number == 0:
                assert share % 4 == 3
                assert all(share % r for r in shape.small)
            else:
                assert share % 4 == 0
                assert not any(share % r for r in shape.small)


@sizes
def test_shares_lie_in_their_ranges(bits, n):
    shape = candidate_shape(bits, n)
    for number, dealing in enumerate(dealt(bits, n)):
        base = 0 if number else shape.base
        for share in itertools.chain.from_iterable(dealing.factors):
            assert 0 <= share - base < shape.step << shape.span_bits


@sizes
def test_candidates_are_3_mod_4_and_coprime_to_the_sieve(bits, n):
    bound = candidate_shape(bits, n).sampling_bound
    for p in itertools.chain.from_iterable(factors(dealt(bits, n))):
        assert p % 4 == 3
        assert gmpy2.gcd(p, gmpy2.primorial(bound)) == 1


@pytest.mark.parametrize(("bits", "n"), [(256, 3), (256, 5), (258, 7)])
def test_every_modulus_has_the_length_of_the_key(bits, n):
    for p, q in factors(dealt(bits, n, 1_500)):
        assert p.bit_length() == q.bit_length() == bits // 2
        assert (p * q).bit_length() == bits
        assert p * q % 4 == 1


@pytest.mark.parametrize("n", range(3, 17))
@pytest.mark.parametrize("word", [b"\0" * 8, b"\xff" * 8])
def test_the_extreme_words_give_the_ends_of_the_ranges(n, word):
    """Nothing overflows in the machine words that the numbers are lifted in."""
    for bits in (256, 1024, 4096):
        shape = candidate_shape(bits, n)
        last = word != b"\0" * 8
        for is_lead in (True, False):
            words = word * (1 + len(shape.small) + len(shape.sieve))
            (lifted,) = modulus._lift(shape, is_lead, [words])
            assert 0 <= lifted < shape.step
            assert lifted % 4 == (3 if is_lead else 0)
            for r in shape.small:
                assert lifted % r == ((r - 1 if last else 1) if is_lead else 0)
            for r in shape.sieve:
                assert lifted % r == (interval(r, shape.dealers) if last else 1)


@pytest.mark.parametrize("n", [3, 7])
def test_residues_are_uniform_in_their_ranges(n):
    shape, dealings = candidate_shape(256, n), dealt(256, n, 3_000)
    for number, dealing in enumerate(dealings):
        for which in (0, 1):
            shares = [pair[which] for pair in dealing.factors]
            for r in shape.sieve:
                assert_uniform([int(x % r) - 1 for x in shares], interval(r, shape.dealers))
            if number == 0:
                for r in shape.small:
                    assert_uniform([int(x % r) - 1 for x in shares], r - 1)


def test_residues_of_different_primes_and_factors_are_independent():
    """Pairs of residues fill their rectangle."""
    shape, dealings = candidate_shape(256, 3), dealt(256, 3, 3_000)
    first, second = shape.sieve[1], shape.sieve[2]
    a, b = interval(first, shape.dealers), interval(second, shape.dealers)
    for dealing in dealings:
        pairs = [(p % first - 1) * b + p % second - 1 for p, _ in dealing.factors]
        assert_uniform([int(x) for x in pairs], a * b)
        pairs = [(p % first - 1) * a + q % first - 1 for p, q in dealing.factors]
        assert_uniform([int(x) for x in pairs], a * a)


def test_what_is_above_the_residues_is_uniform_from_its_lowest_to_its_highest_bit():
    shape = candidate_shape(512, 16)
    for number, dealing in enumerate(dealt(512, 16, 400)[:2]):
        base = 0 if number else shape.base
        spans = [(share - base) // shape.step for pair in dealing.factors for share in pair]
        assert_uniform([int(s & 15) for s in spans], 16)
        assert_uniform([int(s >> (shape.span_bits - 4)) for s in spans], 16)


@sizes
def test_points_reconstruct_the_shares_of_the_factors(bits, n):
    for dealing in dealt(bits, n):
        rows, degree = dealing.rows, (n - 1) // 2
        points = {j: [rows.split(row) for row in dealing.points(j)] for j in range(1, n + 1)}
        for members in (range(1, degree + 2), range(n - degree, n + 1)):
            weights = lagrange(members, rows.prime)
            for which, k in itertools.product((0, 1), range(rows.count)):
                value = sum(weights[j] * points[j][which][k] for j in members) % rows.prime
                assert value == dealing.factors[k][which]


@sizes
def test_one_point_less_does_not_give_the_factors(bits, n):
    dealing = dealt(bits, n)[1]
    rows, members = dealing.rows, range(1, (n - 1) // 2 + 1)
    weights = lagrange(members, rows.prime)
    points = {j: rows.split(dealing.points(j)[0]) for j in members}
    for k, (p, _) in enumerate(dealing.factors):
        assert sum(weights[j] * points[j][k] for j in members) % rows.prime != p


@sizes
def test_points_of_all_dealers_multiply_to_the_modulus(bits, n):
    dealings = dealt(bits, n)
    rows = dealings[0].rows
    weights = lagrange(range(1, n + 1), rows.prime)
    total = [mpz(0)] * rows.count
    for j in range(1, n + 1):
        p_row, q_row = (
            rows.split(rows.reduce(sum(side, mpz(0))))
            for side in zip(*(dealing.points(j) for dealing in dealings), strict=True)
        )
        total = [n + weights[j] * p * q for n, p, q in zip(total, p_row, q_row, strict=True)]
    found = [n % rows.prime for n in total]
    assert found == [p * q for p, q in factors(dealings)]


def test_trial_division_agrees_with_division_by_every_prime():
    drawn = factors(dealt(256, 5, 3_000))[:120]
    primes = [r for r in range(3, TRIAL_BOUND, 2) if gmpy2.is_prime(r)]
    expected = [k for k, (p, q) in enumerate(drawn) if all(p % r and q % r for r in primes)]
    moduli = tuple(p * q for p, q in drawn)
    assert list(survivors(moduli, candidate_shape(256, 5))) == expected
    assert 0 < len(expected) < len(drawn)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_expected_numbers_agree_with_a_count(n):
    """Draw factors as a ceremony does; count the primes and what trial division leaves."""
    drawn = list(itertools.chain.from_iterable(factors(dealt(256, n, 3_000))))
    primorial = gmpy2.primorial(TRIAL_BOUND) % mpz(math.prod(drawn))
    found = sum(gmpy2.is_prime(p) for p in drawn)
    survived = sum(gmpy2.gcd(primorial % p, p) == 1 for p in drawn)
    rate = found / len(drawn)
    assert expected_candidates(256, n) == pytest.approx(1 / rate**2, rel=0.25)
    assert expected_tests(256, n) == pytest.approx((survived / found) ** 2, rel=0.2)


def test_a_dealing_shows_nothing_of_what_was_dealt():
    dealing = dealt(256, 5)[0]
    assert "factors" not in repr(dealing)
    assert "polynomials" not in repr(dealing)
    assert str(dealing.factors[0][0]) not in repr(dealing)
