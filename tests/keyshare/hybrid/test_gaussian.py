"""The discrete Gaussian: its table to the last bit, its moments, what opened sums leave of it."""

import hashlib
from bisect import bisect_right
from itertools import pairwise
from math import exp, sqrt

import numpy as np
import pytest

from keyshare.hybrid import gaussian
from keyshare.hybrid.gaussian import TAIL, cumulative, sample
from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import SIGMA_SQUARED
from tests.keyshare.hybrid import plain_lattice
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("lattice")
SIGMA = 6.4
SUPPORT = range(-TAIL, TAIL + 1)


def inverted(draw: int) -> int:
    """By definition: the x whose interval of [0, 2^128) holds the draw."""
    return bisect_right(cumulative(), draw) - TAIL


def chances(sigma: float, shift: float = 0.0, step: float = 1.0) -> dict[int, float]:
    """D_{Z·step + shift} by position."""
    weights = {x: exp(-((x * step + shift) ** 2) / (2 * sigma**2)) for x in range(-400, 401)}
    total = sum(weights.values())
    return {x: w / total for x, w in weights.items()}


def tabled() -> list[float]:
    """P(x) as the table's intervals give it, x = -90 … 90."""
    ends = [0, *cumulative(), 1 << 128]
    return [(b - a) / 2**128 for a, b in pairwise(ends)]


class Given(Keystream):
    """A stream that says what it is told."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def bytes(self, count: int) -> bytearray:
        taken, self._data = self._data[:count], self._data[count:]
        assert len(taken) == count
        return bytearray(taken)


# --- The table -----------------------------------------------------------------------------------


def test_decimals_of_80_digits_give_the_same_table():
    assert cumulative() == plain_lattice.cumulative()


def test_the_table_has_these_bits():
    joined = b"".join(value.to_bytes(16, "big") for value in cumulative())
    assert hashlib.sha256(joined).hexdigest() == VECTORS["cumulative_sha256"]
    for x, value in VECTORS["cumulative"].items():
        assert cumulative()[int(x) + TAIL] == int(value, 16)


def test_what_the_cut_leaves_out_is_below_the_tables_last_bit():
    """2·Σ_(x > 90) exp(-x²/2σ²) < 2·exp(-91²/2σ²)·(1 + 1/2 + …), against the mass of 0."""
    assert 4 * exp(-(91**2) / (2 * SIGMA**2)) < 2.0**-142
    assert max(SUPPORT) == 90 == -min(SUPPORT)


def test_the_table_is_symmetric_to_its_last_bit():
    table = cumulative()
    for x in range(TAIL):
        mirrored = (1 << 128) - table[TAIL - 1 - x]
        assert table[TAIL + x] in (mirrored - 1, mirrored)


# --- Draws ---------------------------------------------------------------------------------------


def undecided_words() -> list[int]:
    return np.nonzero(gaussian._decided() == gaussian._UNDECIDED)[0].tolist()


def test_some_thousandth_of_first_words_is_undecided():
    words = undecided_words()
    assert 0 < len(words) < 2**16 / 1000
    for word in words:
        assert inverted(word << 112) != inverted(((word + 1) << 112) - 1)


def test_every_decided_word_means_what_128_bits_mean():
    undecided = set(undecided_words())
    for word, value in enumerate(gaussian._decided().tolist()):
        if word not in undecided:
            assert inverted(word << 112) == value == inverted(((word + 1) << 112) - 1)


def test_every_undecided_word_is_decided_by_the_later_bits_as_128_bits_decide():
    words = undecided_words()
    tails = {word: [0, (1 << 112) - 1] for word in words}
    for edge in cumulative():  # and on both sides of every edge of the table
        for draw in (edge - 1, edge):
            if 0 <= draw < 1 << 128 and draw >> 112 in tails:
                tails[draw >> 112].append(draw & ((1 << 112) - 1))
    drawn = [(word, tail) for word, found in tails.items() for tail in found]
    data = b"".join(word.to_bytes(2, "little") for word, _ in drawn)
    data += b"".join(tail.to_bytes(14, "big") for _, tail in drawn)
    expected = [inverted(word << 112 | tail) for word, tail in drawn]
    assert sample(Given(data), len(drawn)).tolist() == expected
    assert len(drawn) > 2 * len(words)


@pytest.mark.parametrize("label", ["one", "two"])
def test_draws_are_those_of_plain_inversion(label):
    seed = seed_of("gaussian", label)
    expected = plain_lattice.gaussian(plain_lattice.Bytes(seed, "error"), 6000)
    stream = Keystream(seed, "error")
    assert sample(stream, 6000).tolist() == expected
    assert sample(stream, 5000).shape == (5000,)


def test_a_keystream_gives_these_draws():
    for ring in VECTORS["rings"]:
        stream = Keystream(plain_lattice.SEED, "secret", ring["ring"])
        degree = plain_lattice.SETS[ring["ring"]].degree
        drawn = sample(stream, degree).tolist()
        assert drawn[:8] == ring["secret"]
        assert plain_lattice.hashed(drawn) == ring["secret_sha256"]


def test_a_million_draws_have_the_moments_of_the_distribution():
    count = 10**6
    drawn = sample(Keystream(seed_of("moments")), count).astype(np.float64)
    p = chances(SIGMA)
    second, fourth = (sum(c * x**k for x, c in p.items()) for k in (2, 4))
    assert second == pytest.approx(float(SIGMA_SQUARED), rel=1e-9)
    assert abs(drawn.mean()) < 5 * SIGMA / sqrt(count)
    assert abs((drawn**2).mean() - second) < 5 * sqrt((fourth - second**2) / count)
    assert (drawn**4).mean() / second**2 == pytest.approx(3, abs=0.05)
    assert abs(float(np.corrcoef(drawn[:-1], drawn[1:])[0, 1])) < 5 / sqrt(count)


def test_a_million_draws_fall_where_the_distribution_puts_them():
    """χ² of the values -20 … 20, 40 degrees of freedom and the tails."""
    count = 10**6
    drawn = sample(Keystream(seed_of("fit")), count)
    p = chances(SIGMA)
    cells = [(np.count_nonzero(drawn == x), p[x] * count) for x in range(-20, 21)]
    beyond = count - sum(e for _, e in cells)
    cells.append((np.count_nonzero(np.abs(drawn) > 20), beyond))
    assert sum((o - e) ** 2 / e for o, e in cells) < 41 + 5 * sqrt(2 * 41)


# --- What an opened sum leaves of it --------------------------------------------------------------


@pytest.mark.parametrize("z", [0, 1, -1, 2, 7, -20, 33, 60])
def test_given_the_sum_of_two_secrets_one_has_the_law_of_a_narrower_gaussian(z):
    """s_1 given s_1+s_2 = z is D_{Z, z/2, σ/√2}, computed from the table itself."""
    p = tabled()
    joint = {
        x: p[x + TAIL] * p[z - x + TAIL] for x in SUPPORT if -TAIL <= z - x <= TAIL
    }  # fmt: skip
    total = sum(joint.values())
    law = chances(SIGMA / sqrt(2), shift=-z / 2)
    distance = sum(abs(joint.get(x, 0.0) / total - law[x]) for x in law) / 2
    assert distance < 1e-12
    mean = sum(x * c for x, c in joint.items()) / total
    variance = sum((x - mean) ** 2 * c for x, c in joint.items()) / total
    assert mean == pytest.approx(z / 2)
    assert variance == pytest.approx(float(SIGMA_SQUARED) / 2, rel=1e-6)


def test_the_sum_of_two_ternary_secrets_would_show_two_in_nine_coefficients():
    """Why a ternary secret is refused: 2 = 1+1 and -2 = -1-1 leave nothing open."""
    pairs = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    known = [sum(a + b == c + d for c, d in pairs) == 1 for a, b in pairs]
    assert sum(known) / len(pairs) == pytest.approx(0.22, abs=0.003)
