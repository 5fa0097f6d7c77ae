"""Cost of the primal lattice attack on the hybrid suites' RLWE instances.

An instance (A, b = A s + e mod q) of n secret coefficients and m samples is embedded in the
lattice of dimension d = m + n + 1 whose unusually short vector is (e, w s, s_e), where
w = s_e / s_s, the ratio of the standard deviations of error and secret, makes all its coordinates
equally wide. BKZ with block size β is taken to find it once [Alkim, Ducas,
Pöppelmann, Schwabe, "Post-quantum key exchange: a New Hope", 2016, §6.3; Albrecht,
Göpfert, Virdia, Wunderer, eprint 2017/815, §3]

    √β · s_e ≤ δ^(2β-d) · vol^(1/d),   vol = q^m · w^n · s_e,
    δ = ((πβ)^(1/β) · β / (2πe))^(1/(2(β-1)))   [Chen 2013; the geometric series assumption].

Structure of the ring is not used, samples are not limited (one secret covers many blocks), and
the dual and hybrid attacks are not looked at.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import e, log2, pi

SUITES = {"S1": (2048, 52.0), "S2": (4096, 64.0)}  # degree, log2 q
# What the proof keeps of the suite's 6.4 with one honest pair; the exact conditional width
# 6.4/√2; the width of a fresh secret.
SIGMAS = (3.2, 4.525, 6.4)
SMALLEST_BLOCK = 60  # below it the formula of δ does not describe BKZ


@dataclass(frozen=True)
class Estimate:
    """The smallest block size that succeeds, and log2 of what it costs."""

    beta: int
    samples: int
    classical_bits: float
    quantum_bits: float
    sieve_bits: float


def estimate(
    degree: int,
    log2_q: float,
    sigma_secret: float,
    sigma_error: float,
    max_samples: int | None = None,
) -> Estimate:
    """Smallest β over all numbers of samples, and its costs.

    core-SVP: 0.292 β (classical), 0.265 β (quantum): one call of the SVP oracle.
    sieve_bits: log2(8 d) + 0.292 β + 16.4, eight tours of BDGL16 sieves
    [Becker, Ducas, Gama, Laarhoven 2016; Albrecht, Player, Scott, eprint 2015/046].
    max_samples: m at most; None for as many as the attack likes.
    Raises ValueError if no block size up to 4 · degree succeeds.
    """

    def best(beta: int) -> tuple[float, int]:
        return _best_samples(beta, degree, log2_q, sigma_secret, sigma_error, max_samples)

    high = 4 * degree
    if max_samples is not None:
        high = min(high, max_samples + degree + 1)
    if best(high)[0] < 0:
        raise ValueError(f"no block size up to {high} succeeds")
    blocks = range(SMALLEST_BLOCK, high)
    beta = SMALLEST_BLOCK + bisect_left(blocks, True, key=lambda block: best(block)[0] >= 0)
    samples = best(beta)[1]
    sieve = log2(8 * (samples + degree + 1)) + 0.292 * beta + 16.4
    return Estimate(beta, samples, 0.292 * beta, 0.265 * beta, sieve)


def _best_samples(
    beta: int,
    degree: int,
    log2_q: float,
    sigma_secret: float,
    sigma_error: float,
    max_samples: int | None,
) -> tuple[float, int]:
    """Largest log2 of right side over left side of the condition, and the m that gives it.

    With d = m + n + 1 and C = n log2(w/q) + log2(s_e/q), the side that depends on m is
    -d log2 δ + C / d + log2 q, concave in d since C < 0: its peak is d = √(-C / log2 δ).
    """
    log2_delta = log2((pi * beta) ** (1 / beta) * beta / (2 * pi * e)) / (2 * (beta - 1))
    constant = degree * (log2(sigma_error / sigma_secret) - log2_q) + log2(sigma_error) - log2_q
    smallest = max(beta, degree + 2)
    dimension = max(smallest, round((-constant / log2_delta) ** 0.5))
    if max_samples is not None:
        dimension = min(dimension, max_samples + degree + 1)
    if dimension < beta:
        return float("-inf"), 0
    right = (2 * beta - dimension) * log2_delta + log2_q + constant / dimension
    return right - log2(beta**0.5 * sigma_error), dimension - degree - 1


def measure() -> dict[str, object]:
    """The estimate of each suite at each width, secret and error alike."""
    rows = []
    for suite, (degree, log2_q) in SUITES.items():
        for sigma in SIGMAS:
            found = estimate(degree, log2_q, sigma, sigma)
            rows.append(
                {
                    "suite": suite,
                    "degree": degree,
                    "log2_q": log2_q,
                    "sigma": sigma,
                    "beta": found.beta,
                    "samples": found.samples,
                    "core_svp_bits": round(found.classical_bits, 1),
                    "core_svp_quantum_bits": round(found.quantum_bits, 1),
                    "bdgl16_bits": round(found.sieve_bits, 1),
                }
            )
    return {"estimates": rows}
