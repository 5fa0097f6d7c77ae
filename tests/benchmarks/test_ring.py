"""The arithmetic that the ring's benchmark times."""

import numpy as np
import pytest

from benchmarks.ring import RingShape, Transform, lift, primes

DEGREE = 16


def negacyclic(x: list[int], y: list[int], prime: int) -> list[int]:
    """x·y modulo X^n + 1, term by term."""
    product = [0] * len(x)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            sign = 1 if i + j < len(x) else -1
            product[(i + j) % len(x)] += sign * a * b
    return [c % prime for c in product]


@pytest.mark.parametrize("prime", primes(DEGREE, 3))
def test_values_multiply_as_polynomials_do(prime: int) -> None:
    ring, numbers = Transform(DEGREE, prime), np.random.default_rng(1)
    x, y = (numbers.integers(0, prime, DEGREE, dtype=np.uint64) for _ in range(2))
    product = ring.inverse(ring.multiply(ring.forward(x), ring.forward(y)))
    assert product.tolist() == negacyclic(x.tolist(), y.tolist(), prime)


def test_a_long_transform_has_an_inverse() -> None:
    ring = Transform(1 << 12, primes(1 << 12, 1)[0])
    x = np.random.default_rng(2).integers(0, int(ring.prime), 1 << 12, dtype=np.uint64)
    assert not np.array_equal(ring.forward(x), x)
    assert np.array_equal(ring.inverse(ring.forward(x)), x)


def test_a_lifted_number_differs_by_a_small_multiple_of_the_old_modulus() -> None:
    chosen = primes(DEGREE, 7)
    source, target = chosen[:3], chosen[3:]
    whole = source[0] * source[1] * source[2]
    number = whole * 2 // 3
    residues = [np.array([number % prime], dtype=np.uint64) for prime in source]
    lifted = [int(found[0]) for found in lift(residues, source, target)]
    assert lifted in [[(number + k * whole) % prime for prime in target] for k in range(3)]


def test_a_ciphertext_of_the_published_parameters_has_the_published_size() -> None:
    shape = RingShape()
    assert 2 * shape.ring_bytes == 22_020_096  # 22,020,166 in the implementation's log, framed
    assert shape.candidates(2048) == 65_536 // 12
