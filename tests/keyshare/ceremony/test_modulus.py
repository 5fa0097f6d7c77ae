"""Candidates for the factors: sizes, residues, what they are coprime to, how many are needed."""

import math
from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import lru_cache

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony import modulus
from keyshare.ceremony.modulus import (
    KNOWN_BITS,
    MAX_MEMBERS,
    MIN_MEMBERS,
    TRIAL_BOUND,
    CandidateShape,
    candidate_shape,
    expected_candidates,
    expected_tests,
    interval,
    mersenne_exponent,
    survivors,
)
from keyshare.errors import BadParameters
from tests.keyshare.key.test_joint_key import prime_3_mod_4

BITS = [256, 258, *range(320, 4097, 128), 4094, 4096]
MEMBERS = range(MIN_MEMBERS, MAX_MEMBERS + 1)
every_n = pytest.mark.parametrize("n", MEMBERS)


@lru_cache(maxsize=1)
def trial_primes() -> list[int]:
    """All primes up to TRIAL_BOUND, by Eratosthenes."""
    is_prime = bytearray([1]) * (TRIAL_BOUND + 1)
    is_prime[:2] = b"\0\0"
    for k in range(2, int(TRIAL_BOUND**0.5) + 1):
        if is_prime[k]:
            is_prime[k * k :: k] = bytes(len(range(k * k, TRIAL_BOUND + 1, k)))
    return [k for k, prime in enumerate(is_prime) if prime]


def primes_between(low: int, high: int) -> list[int]:
    primes = trial_primes()
    return primes[bisect_left(primes, low) : bisect_right(primes, high)]


def odd_primes(shape: CandidateShape) -> list[int]:
    return primes_between(3, shape.sampling_bound)


# ── shapes ──


@every_n
def test_a_shape_excludes_all_odd_primes_up_to_its_bound(n):
    for bits in BITS:
        shape = candidate_shape(bits, n)
        assert [*shape.small, *shape.sieve] == odd_primes(shape)
        assert shape.step == 4 * math.prod(odd_primes(shape))


@every_n
def test_dealers_are_one_more_than_may_be_dishonest(n):
    shape = candidate_shape(256, n)
    assert shape.degree == (n - 1) // 2
    assert shape.dealers == shape.degree + 1
    assert 2 * shape.degree < n  # all members' points of P·Q determine it


@every_n
def test_the_least_and_the_greatest_candidates_have_the_length_of_the_key(n):
    for bits in BITS:
        shape, half = candidate_shape(bits, n), bits // 2
        lowest = shape.base
        highest = shape.base + shape.dealers * ((shape.step << shape.span_bits) - 1)
        assert 3 * mpz(2) ** (half - 2) <= lowest < highest < mpz(2) ** half
        assert (lowest * lowest).bit_length() == (highest * highest).bit_length() == bits
        assert highest * highest < mpz(2) ** shape.field_exponent - 1
        assert shape.base % shape.step == 0  # so that it changes no residue


@every_n
def test_the_span_is_as_long_as_its_room_allows(n):
    for bits in BITS:
        shape = candidate_shape(bits, n)
        room = mpz(2) ** (bits // 2 - 2)
        assert shape.span_bits >= 2
        assert shape.dealers * shape.step << (shape.span_bits + 1) > room


@every_n
def test_what_the_intervals_tell_is_bounded_and_the_sieve_is_as_long_as_that_allows(n):
    """Exact fractions: r residues, of which one dealer chooses among ⌊(r-1)/(t+1)⌋."""
    for bits in BITS:
        shape = candidate_shape(bits, n)
        told = math.prod(Fraction(r, (r - 1) // shape.dealers) for r in shape.sieve)
        assert told <= 2**KNOWN_BITS
        after = int(gmpy2.next_prime(shape.sampling_bound))
        too_much = told * Fraction(after, (after - 1) // shape.dealers) > 2**KNOWN_BITS
        no_room = shape.step * after * 4 * shape.dealers > mpz(2) ** (bits // 2 - 2)
        assert too_much or no_room


@every_n
def test_at_2048_bits_most_of_a_factor_stays_the_honest_dealers_alone(n):
    """All residues of the lead, all that the intervals tell and the bits above the span."""
    shape = candidate_shape(2048, n)
    lead_alone = float(gmpy2.log2(4 * math.prod(shape.small)))
    above = 1024 - shape.span_bits - (shape.step.bit_length() - 1)
    assert lead_alone + KNOWN_BITS + above < 1024 / 8


def missing(bits: int, n: int) -> int:
    """Bits of p that t dealers lack who know every residue of it: one honest dealer's span."""
    return candidate_shape(bits, n).span_bits


@every_n
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_even_all_residues_of_a_factor_are_less_than_coppersmiths_method_needs(bits, n):
    """It finds p if no more than a quarter of N's bits is missing [Coppersmith, J. Crypt. 1997]."""
    shape = candidate_shape(bits, n)
    assert missing(bits, n) > bits // 4
    # The others' spans, the residues and the base are all else there is to p.
    assert shape.dealers * (shape.step << shape.span_bits) + shape.base < mpz(1) << bits // 2


@pytest.mark.parametrize(
    ("n", "step", "at_2048", "at_3072"),
    [(3, 426, 595, 1107), (4, 426, 595, 1107), (5, 251, 770, 1282), (7, 184, 836, 1348)],
)
def test_how_many_bits_all_residues_are_and_how_many_are_missing(n, step, at_2048, at_3072):
    for bits in (2048, 3072):
        assert (candidate_shape(bits, n).step - 1).bit_length() == step
    assert (missing(2048, n), missing(3072, n)) == (at_2048, at_3072)


def test_at_1024_bits_they_would_be_enough():
    assert missing(1024, 3) == missing(1024, 4) == 83 < 1024 // 4


@pytest.mark.parametrize(
    ("bits", "n", "field"),
    [
        (254, 5, "key bits"),
        (257, 5, "key bits"),
        (4098, 5, "key bits"),
        (0, 5, "key bits"),
        (512, 2, "members"),
        (512, 17, "members"),
    ],
)
def test_sizes_that_no_ceremony_serves_are_refused(bits, n, field):
    with pytest.raises(BadParameters) as raised:
        candidate_shape(bits, n)
    assert raised.value.field == field


@pytest.mark.parametrize("exponent", [e for e in modulus._MERSENNE if e < 5_000])
def test_the_fields_are_of_prime_order(exponent):
    """Lucas-Lehmer."""
    prime = (mpz(1) << exponent) - 1
    s = mpz(4)
    for _ in range(exponent - 2):
        s = (s * s - 2) % prime
    assert s == 0


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [e for e in modulus._MERSENNE if e > 5_000])
def test_the_largest_fields_are_of_prime_order(exponent):
    test_the_fields_are_of_prime_order(exponent)


def test_the_smallest_field_above_a_bound_is_chosen():
    assert mersenne_exponent(mpz(1)) == 521
    assert mersenne_exponent(mpz(2) ** 521 - 2) == 521
    assert mersenne_exponent(mpz(2) ** 521 - 1) == 607
    with pytest.raises(BadParameters):
        mersenne_exponent(mpz(2) ** 20_000)


# ── intervals ──


def sums(choices: range, dealers: int) -> set[int]:
    """All sums of one choice for each dealer."""
    reached = {0}
    for _ in range(dealers):
        reached = {a + b for a in reached for b in choices}
    return reached


@pytest.mark.parametrize("dealers", range(2, 9))
def test_no_choice_of_residues_adds_up_to_a_multiple_of_the_prime(dealers):
    for r in primes_between(2 * dealers + 2, 140):
        choices = range(1, interval(r, dealers) + 1)
        assert len(choices) >= 2  # or the honest dealer would have nothing to choose
        assert 0 not in {total % r for total in sums(choices, dealers)}
        wider = range(1, len(choices) + 2)
        assert 0 in {total % r for total in sums(wider, dealers)}


@pytest.mark.parametrize("dealers", range(2, 9))
def test_whatever_the_others_choose_the_honest_dealer_leaves_its_whole_interval(dealers):
    for r in primes_between(2 * dealers + 2, 140):
        choices = range(1, interval(r, dealers) + 1)
        for others in sums(choices, dealers - 1):
            assert len({(others + own) % r for own in choices}) == len(choices)


# ── trial division and what to expect ──


def multiple_of(small: int) -> mpz:
    """A number of 256 bits, 1 mod 4, with ``small`` and one large prime as its factors."""
    large = gmpy2.next_prime((mpz(1) << 255) // small * 3 // 2)
    while large * small % 4 != 1:
        large = gmpy2.next_prime(large)
    assert (large * small).bit_length() == 256
    return large * small


SMALL_FACTORS = [
    3,
    5,
    61,
    997,
    4_093,
    4_099,
    65_537,
    131_071,
    131_101,
    int(gmpy2.prev_prime(TRIAL_BOUND)),
]


def biprime() -> mpz:
    p = prime_3_mod_4(3 * mpz(2) ** 126)
    return p * prime_3_mod_4(p)


@pytest.mark.parametrize("small", SMALL_FACTORS)
def test_trial_division_finds_one_small_factor(small):
    assert small in trial_primes()
    assert survivors((multiple_of(small),), candidate_shape(256, 5)) == ()


def test_trial_division_keeps_what_has_large_factors_alone():
    beyond = multiple_of(int(gmpy2.next_prime(TRIAL_BOUND)))
    assert survivors((beyond, biprime()), candidate_shape(256, 5)) == (0, 1)
    assert trial_primes()[-1] == SMALL_FACTORS[-1]


def test_a_modulus_of_another_length_or_residue_does_not_survive():
    p = prime_3_mod_4(3 * mpz(2) ** 126)
    shorter, longer = prime_3_mod_4(mpz(2) ** 127), prime_3_mod_4(mpz(2) ** 129)
    assert (p * longer).bit_length() == 257
    assert (shorter * shorter).bit_length() == 255
    one = gmpy2.next_prime(p)
    while one % 4 != 1:
        one = gmpy2.next_prime(one)
    bad = (p * longer, shorter * shorter, p * one, mpz(0), mpz(1), (mpz(1) << 256) - 1)
    assert survivors(bad, candidate_shape(256, 5)) == ()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 127, 128, 129, 257])
def test_each_modulus_is_judged_alone_however_many_there_are(count):
    """Groups of every size and shape of tree, in which one falls only now and then."""
    good, bad = biprime(), [multiple_of(small) for small in SMALL_FACTORS]
    fall = {k: bad[k % len(bad)] for k in range(count) if k % 7 == 3 or k == count - 2}
    moduli = tuple(fall.get(k, good) for k in range(count))
    expected = tuple(k for k in range(count) if k not in fall)
    assert survivors(moduli, candidate_shape(256, 5)) == expected


@pytest.mark.parametrize("count", range(1, 18))
def test_remainders_down_a_tree_are_those_of_every_modulus(count):
    value = mpz(3) ** 5_000
    moduli = [mpz(10_007) ** k + 2 for k in range(1, count + 1)]
    assert modulus._remainders(value, moduli) == [value % m for m in moduli]


def test_more_bits_need_more_candidates():
    sizes = [256, 512, 1024, 2048, 3072, 4096]
    for n in (3, 16):
        counts = [expected_candidates(bits, n) for bits in sizes]
        assert counts == sorted(counts)
        assert all(1 <= expected_tests(b, n) <= c for b, c in zip(sizes, counts, strict=True))


@pytest.mark.parametrize("n", MEMBERS)
@pytest.mark.parametrize("bits", [256, 1024, 2048, 4096])
def test_expected_numbers_are_those_of_the_product_over_all_primes_excluded(bits, n):
    """∏ r/(r-1) exactly, where the code has Mertens' limit of it."""
    logarithm = (bits / 2 - 0.2) * math.log(2)
    for found, bound in (
        (expected_candidates(bits, n), candidate_shape(bits, n).sampling_bound),
        (expected_tests(bits, n), TRIAL_BOUND),
    ):
        rate = math.prod(r / (r - 1) for r in primes_between(2, bound)) / logarithm
        assert found == pytest.approx(rate**-2, rel=0.1)
