"""The ranges of a key's sharings: what hides what, and by how much; nothing outgrows its field."""

import hashlib
from math import factorial

import pytest
from gmpy2 import mpz

from keyshare.ceremony.biprimality import exponent
from keyshare.ceremony.modulus import candidate_shape, deal_factors
from keyshare.ceremony.shamir import evaluate
from keyshare.errors import BadParameters
from keyshare.key.threshold_key import STATISTICAL_BITS, KeyShape, key_shape

K = mpz(2) ** 128
SIZES = [(3, 2), (3, 3), (4, 3), (5, 2), (5, 3), (5, 5), (7, 4), (8, 8), (16, 2), (16, 16)]
shapes = pytest.mark.parametrize(
    "shape",
    [key_shape(mpz(2) ** bits - 1, *size) for bits in (256, 2048, 4096) for size in SIZES],
    ids=lambda shape: f"{shape.n_members}-{shape.quorum}-{shape.n.bit_length()}",
)


def dealers(shape: KeyShape) -> int:
    return (shape.n_members - 1) // 2 + 1


def sharings(shape: KeyShape) -> list[tuple[mpz, int]]:
    """Bound of the secret and degree: of the test exponents, the masks, the blinds."""
    degree = (shape.n_members - 1) // 2
    blind = (shape.blind_bound, shape.quorum - 1)
    return [(shape.n, degree), (shape.mask_bound, degree), blind]


def highest(shape: KeyShape, secret_bound: mpz, degree: int) -> list[mpz]:
    """The polynomial of a dealer that draws the greatest number every time."""
    top = shape.coefficient_bound(secret_bound, degree) - 1
    return [shape.delta * (secret_bound - 1), *[top] * degree]


@pytest.mark.parametrize(("n", "quorum"), [(5, 1), (5, 0), (5, -1), (5, 6), (3, 4)])
def test_a_quorum_outside_2_to_n_has_no_shape(n, quorum):
    with pytest.raises(BadParameters) as raised:
        key_shape(mpz(2**255 + 1), n, quorum)
    assert raised.value.field == "quorum"


@shapes
def test_a_shape_has_the_ranges_of_the_definition(shape):
    delta = factorial(shape.n_members)
    assert STATISTICAL_BITS == 128
    assert shape.delta == delta
    assert shape.mask_bound == K * shape.n
    assert shape.blind_bound == delta * shape.n_members * K**2 * shape.n
    assert shape.degree == (shape.n_members - 1) // 2


@shapes
def test_one_honest_dealers_blind_hides_the_masked_phi_by_a_factor_of_k(shape):
    """θ' = Δ²φβ + NΔR: the range of one R_i against all that may be added to it."""
    largest_masked = shape.delta**2 * shape.n * dealers(shape) * shape.mask_bound
    assert shape.n * shape.delta * shape.blind_bound >= K * largest_masked


@shapes
def test_one_honest_dealers_mask_hides_phi_by_a_factor_of_k(shape):
    """θ mod N shows φ·β mod N and -φ ≡ p+q-1 (mod N): β_i alone is K times as wide as N."""
    assert shape.mask_bound >= K * shape.n


@shapes
def test_coefficients_hide_the_secret_from_as_many_members_as_the_degree_by_a_factor_of_k(shape):
    """Their other secrets' polynomials differ by less than Δ·range·2^degree in a coefficient:
    tests/keyshare/ceremony/test_shamir.py has the argument."""
    for secret_bound, degree in sharings(shape):
        difference = shape.delta * secret_bound * 2**degree
        assert shape.coefficient_bound(secret_bound, degree) >= K * difference


@shapes
def test_no_point_of_an_honest_dealer_reaches_the_bound_of_points(shape):
    for secret_bound, degree in sharings(shape):
        bound = shape.point_bound(secret_bound, degree)
        polynomial = highest(shape, secret_bound, degree)
        points = [evaluate(polynomial, i) for i in range(1, shape.n_members + 1)]
        assert 0 <= min(points) <= max(points) == points[-1] < bound
        assert bound - points[-1] < bound >> 64  # nor is it idle: a larger point is refused


@shapes
def test_theta_stays_below_its_field(shape):
    beta = dealers(shape) * (shape.mask_bound - 1)
    blind = dealers(shape) * (shape.blind_bound - 1)
    largest = shape.delta**2 * shape.n * beta + shape.n * shape.delta * blind
    assert 0 < largest < mpz(2) ** shape.theta_exponent - 1
    # And so do even more dealers than there are.
    assert largest * shape.n_members // dealers(shape) < mpz(2) ** shape.theta_exponent - 1


@shapes
def test_no_key_share_reaches_the_bound_of_shares(shape):
    points = dealers(shape) * evaluate(
        highest(shape, shape.blind_bound, shape.quorum - 1), shape.n_members
    )
    least = -shape.n * points  # θ' = 0
    beta = dealers(shape) * shape.mask_bound
    blind = dealers(shape) * shape.blind_bound
    greatest = shape.delta * shape.n * (shape.delta * beta + blind)  # all points 0
    assert -shape.share_bound < least < 0 < greatest < shape.share_bound
    assert shape.share_bound < 4 * max(-least, greatest)


@pytest.mark.parametrize(("bits", "n"), [(256, 3), (258, 7), (512, 16), (2048, 5)])
def test_test_exponents_lie_in_the_range_they_are_shared_for(bits, n):
    """Of real candidates: 0 <= x_i < N, of the lead and of all others."""
    shape = candidate_shape(bits, n)
    leaves = [
        [hashlib.sha256(f"range {d} {k}".encode()).digest() for k in range(20)]
        for d in range(shape.dealers)
    ]
    dealt = [deal_factors(shape, d == 0, own).factors for d, own in enumerate(leaves)]
    for shares in zip(*dealt, strict=True):
        p, q = (sum(column, mpz(0)) for column in zip(*shares, strict=True))
        for d, (p_share, q_share) in enumerate(shares):
            assert 0 <= exponent(d == 0, p_share, q_share, p * q) < p * q
