"""A power with checkpoints: right ones give it whatever the weights are, wrong ones do not."""

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.proofs.checkpoints import (
    LIMBS,
    WEIGHT_BITS,
    checked_exponents,
    checkpoints,
    limb_bits,
)
from keyshare.proofs.power_product import power_product

MODULUS = mpz(2) ** 127 - 1
WEIGHT = st.integers(0, 2**WEIGHT_BITS - 1)
WEIGHTS = st.lists(WEIGHT, min_size=LIMBS - 1, max_size=LIMBS - 1)


@given(bits=st.integers(1, 3_000), data=st.data(), weights=WEIGHTS)
def test_right_checkpoints_give_the_power_whatever_the_weights(bits, data, weights):
    exponent = mpz(data.draw(st.integers(0, 2**bits - 1)))
    base = mpz(data.draw(st.integers(1, MODULUS - 1)))
    found = checked_exponents(exponent, bits, [mpz(w) for w in weights])
    points = [base, *checkpoints(base, bits, MODULUS)]
    assert power_product(points, found, MODULUS) == gmpy2.powmod(base, exponent, MODULUS)
    assert max(e.bit_length() for e in found) <= limb_bits(bits) + WEIGHT_BITS + 1


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 4_096])
def test_the_last_checkpoint_is_an_eighth_short_of_the_whole(bits):
    points = checkpoints(mpz(3), bits, MODULUS)
    assert len(points) == LIMBS - 1
    step = 1 << -(-bits // LIMBS)
    assert points[0] == gmpy2.powmod(3, step, MODULUS)
    assert points[-1] == gmpy2.powmod(3, step ** (LIMBS - 1), MODULUS)


@given(j=st.integers(0, LIMBS - 2), weights=WEIGHTS, exponent=st.integers(0, 2**1_600 - 1))
def test_a_wrong_checkpoint_is_weighted_in_the_step_to_it_and_in_the_one_from_it(
    j, weights, exponent
):
    """An error w of U_(j+1): F_(j+1) = w and F_(j+2) = w^(-2^200), and w^(z_(j+1)) in the power."""
    base, error = mpz(3), mpz(5)
    points = [base, *checkpoints(base, 1_600, MODULUS)]
    points[j + 1] = points[j + 1] * error % MODULUS
    found = power_product(points, checked_exponents(mpz(exponent), 1_600, weights), MODULUS)
    after = weights[j + 1] if j + 1 < LIMBS - 1 else 0
    power = (exponent >> 200 * (j + 1)) % 2**200 - weights[j] + (after << 200)
    right = pow(int(base), exponent, int(MODULUS))
    assert found == right * pow(int(error), power, int(MODULUS)) % MODULUS


def test_an_exponent_out_of_range_and_another_number_of_weights_are_refused():
    weights = [mpz(1)] * (LIMBS - 1)
    for exponent in (mpz(-1), mpz(256)):
        with pytest.raises(ValueError, match="out of range"):
            checked_exponents(exponent, 8, weights)
    for wrong in (weights[1:], [*weights, mpz(1)]):
        with pytest.raises(ValueError, match="one weight"):
            checked_exponents(mpz(1), 8, wrong)
