"""The lattice estimate against published ones, and what it says of the suites."""

from math import log2, sqrt

import pytest

from benchmarks.core_svp import SIGMAS, SUITES, estimate


@pytest.mark.parametrize(
    ("degree", "q", "sigma", "bits"),
    [
        (1024, 12289, sqrt(8), 282),  # New Hope, 2016: block size 967
        (1024, 12289, 2.0, 259),  # NewHope1024, round 2
        (768, 3329, 1.0, 182),  # Kyber768, round 3
    ],
)
def test_core_svp_is_the_published_one(degree: int, q: int, sigma: float, bits: float) -> None:
    found = estimate(degree, log2(q), sigma, sigma, max_samples=2 * degree)
    assert found.classical_bits == pytest.approx(bits, abs=1)


def test_the_homomorphic_encryption_standards_128_bits_are_near() -> None:
    # 2018, secret drawn as the error: 128 bits at degree 1024 for q up to 2^29
    assert estimate(1024, 29, 3.2, 3.2).sieve_bits == pytest.approx(128, abs=5)


def test_s1_keeps_a_margin_over_128_bits_at_the_width_of_the_proof() -> None:
    found = estimate(*SUITES["S1"], 3.2, 3.2)
    assert found.classical_bits >= 105
    assert found.sieve_bits >= 138


def test_s2_keeps_192_bits_at_the_width_of_the_proof() -> None:
    assert estimate(*SUITES["S2"], 3.2, 3.2).classical_bits >= 192


@pytest.mark.parametrize("suite", SUITES)
def test_a_wider_secret_is_harder(suite: str) -> None:
    blocks = [estimate(*SUITES[suite], sigma, sigma).beta for sigma in SIGMAS]
    assert blocks == sorted(set(blocks))


def test_no_block_size_for_a_modulus_below_the_noise() -> None:
    with pytest.raises(ValueError, match="no block size"):
        estimate(1024, 3, 6.4, 6.4)
