"""Candidates for the factors: sizes, residues, what they are coprime to, how many are needed."""

from __future__ import annotations

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare import modulus
from keyshare.errors import BadParameters
from keyshare.modulus import (
    TRIAL_BOUND,
    candidate_shape,
    expected_candidates,
    expected_tests,
    factor_share,
    mersenne_prime,
    survives_trial_division,
    survivors,
)
from keyshare.randomness import Stream
from tests.toy import seed_of

BITS = [256, 258, 512, 1024, 2048, 3072, 4096]
shapes = st.builds(candidate_shape, st.sampled_from([256, 258, 512]), st.integers(3, 16))


class Extreme(Stream):
    """A stream that draws the least or the greatest number below one bound."""

    def __init__(self, bound: mpz, greatest: bool) -> None:
        super().__init__(bytes(32))
        self._bound, self._extreme = bound, bound - 1 if greatest else mpz(0)

    def below(self, bound: int | mpz) -> mpz:
        return self._extreme if bound == self._bound else super().below(bound)


def primes(low: int, high: int) -> list[int]:
    return [k for k in range(max(low, 2), high + 1) if gmpy2.is_prime(k)]


@st.composite
def candidates(draw):
    """A shape and all members' shares of one factor, from a unit split at random."""
    shape = draw(shapes)
    stream = Stream.derive(draw(st.binary(min_size=32, max_size=32)), "candidate")
    residues = [stream.below(shape.units) for _ in range(shape.n_members - 1)]
    unit = stream.unit(shape.units)
    residues.append((unit - sum(residues)) % shape.units)
    shares = [factor_share(i, r, shape, stream) for i, r in enumerate(residues, start=1)]
    return shape, unit, residues, shares


@given(candidate=candidates())
def test_shares_have_their_residues(candidate):
    shape, unit, residues, shares = candidate
    assert sum(shares) % shape.units == unit
    for index, (residue, share) in enumerate(zip(residues, shares, strict=True), start=1):
        assert share % shape.units == residue
        if index == 1:
            assert share % 4 == 3
            assert gmpy2.gcd(share, shape.fixed) == 1
        else:
            assert share % shape.fixed == 0


@given(candidate=candidates())
def test_a_candidate_has_no_prime_factor_up_to_the_sampling_bound(candidate):
    shape, _, _, shares = candidate
    p = sum(shares)
    assert p % 4 == 3
    assert gmpy2.gcd(p, gmpy2.primorial(shape.sampling_bound)) == 1


@given(candidate=candidates())
def test_a_candidate_has_its_two_top_bits_set_and_not_one_more(candidate):
    shape, _, _, shares = candidate
    half = shape.bits // 2
    assert 3 * mpz(2) ** (half - 2) <= sum(shares) < mpz(2) ** half


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("n", [3, 4, 7, 16])
def test_the_extremes_of_all_shares_give_exactly_bits_bits(bits, n):
    shape = candidate_shape(bits, n)
    step = shape.units * shape.fixed
    lowest, highest = shape.base, shape.base + n * (step * shape.span - 1)
    for greatest in (False, True):
        for residue in (mpz(0), shape.units - 1):
            stream = Extreme(shape.span, greatest)
            first = factor_share(1, residue, shape, Stream(bytes(32)))
            shares = [first] + [factor_share(i, residue, shape, stream) for i in range(2, n + 1)]
            assert all(0 <= share < step * shape.span for share in shares[1:])
            assert lowest <= sum(shares) <= highest
            others = (n - 1) * step * (shape.span - 1 if greatest else 0)
            assert others <= sum(shares[1:]) < others + n * step
    assert 3 * mpz(2) ** (bits // 2 - 2) <= lowest <= highest < mpz(2) ** (bits // 2)
    assert (lowest * lowest).bit_length() == bits
    assert (highest * highest).bit_length() == bits
    assert highest * highest < shape.field


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("n", [3, 5, 7, 16])
def test_a_shape_covers_all_primes_up_to_its_bound(bits, n):
    shape = candidate_shape(bits, n)
    assert shape.units == _product(primes(n + 1, shape.sampling_bound))
    assert shape.fixed == 4 * _product(primes(3, n))
    assert shape.span >= 2
    assert 2 * shape.degree <= n - 1
    assert gmpy2.is_prime(shape.sampling_bound)


def _product(numbers: list[int]) -> mpz:
    product = mpz(1)
    for number in numbers:
        product *= number
    return product


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
    assert mersenne_prime(mpz(1)) == mpz(2) ** 521 - 1
    assert mersenne_prime(mpz(2) ** 521 - 2) == mpz(2) ** 521 - 1
    assert mersenne_prime(mpz(2) ** 521 - 1) == mpz(2) ** 607 - 1
    with pytest.raises(BadParameters):
        mersenne_prime(mpz(2) ** 20_000)


def test_trial_division_keeps_what_has_large_factors_alone():
    shape = candidate_shape(256, 5)
    p = gmpy2.next_prime(3 * mpz(2) ** 126)
    while p % 4 != 3:
        p = gmpy2.next_prime(p)
    q = gmpy2.next_prime(p)
    while q % 4 != 3:
        q = gmpy2.next_prime(q)
    n = p * q
    largest = max(primes(TRIAL_BOUND - 200, TRIAL_BOUND))
    beyond = int(gmpy2.next_prime(TRIAL_BOUND))
    assert survives_trial_division(n, shape)
    for small in (3, 5, 997, largest):
        assert not survives_trial_division(_multiple(small), shape)
    assert survives_trial_division(_multiple(beyond), shape)
    assert not survives_trial_division(n + 2, shape)  # 3 mod 4
    assert not survives_trial_division(n >> 8 | 1, shape)
    assert not survives_trial_division(n << 2 | 1, shape)
    assert survivors([n, n + 2, _multiple(3), n], shape) == [0, 3]


def _multiple(small: int) -> mpz:
    """A number of 256 bits, 1 mod 4, with ``small`` and one large prime as its factors."""
    large = gmpy2.next_prime((mpz(1) << 255) // small * 3 // 2)
    while large * small % 4 != 1:
        large = gmpy2.next_prime(large)
    assert (large * small).bit_length() == 256
    return large * small


@pytest.mark.parametrize("bits", [256, 512])
def test_expected_numbers_agree_with_a_simulation(bits):
    """Draw factors as a ceremony does and count primes, and what trial division leaves."""
    shape = candidate_shape(bits, 5)
    stream, draws = Stream.derive(seed_of("simulation"), bits), 8_000
    found = survived = 0
    for _ in range(draws):
        residues = [stream.below(shape.units) for _ in range(4)]
        residues.append((stream.unit(shape.units) - sum(residues)) % shape.units)
        shares = [factor_share(i, r, shape, stream) for i, r in enumerate(residues, start=1)]
        p = sum(shares)
        found += gmpy2.is_prime(p)
        survived += gmpy2.gcd(p, modulus._trial_primorial(1, TRIAL_BOUND)) == 1
    for expected, rate in (
        (expected_candidates(bits, 5), found / draws),
        (expected_tests(bits, 5), found / survived),
    ):
        assert expected == pytest.approx(1 / rate**2, rel=0.25)


def test_more_bits_need_more_candidates():
    sizes = [256, 512, 1024, 2048, 3072, 4096]
    for n in (3, 16):
        counts = [expected_candidates(bits, n) for bits in sizes]
        assert counts == sorted(counts)
        assert all(expected_tests(b, n) <= c for b, c in zip(sizes, counts, strict=True))
