"""One proof that many values are powers of their bases with one secret exponent.

Shown, for value and values[k] modulo N or N², N = p·q with p ≡ q ≡ 3 (mod 4):

    value² = base^(2e)  and  values[k]² = bases[k]^(2e)   for one integer e, for every k.

Chaum and Pedersen's proof over the integers, as the order of the group is not known, and then one
public power in place of its two equations, with checkpoints (``keyshare.proofs.checkpoints``):

    t_k = H(statement, k)         128 bits      G = ∏ bases[k]^(2·t_k),  V = ∏ values[k]^(2·t_k)
    r uniform in [L, L + B·2^256)               B the bound of |e|, L = (2^128 - 1)·(B - 1)
    a = base^(2r),  b = G^r,  c = H(statement, a, b)  128 bits,  z = r - c·e
    τ = H(statement, a, b, z)     128 bits      U_0 = base²·G^τ,  U_j = U_(j-1)^(2^w)
    ρ_j = H(statement, a, b, z, U_1, …)         the proof is (a, b, z, U_1, …, U_(s-1))
    verified by  (a·b^τ)² = (∏ U_j^(e_j) · (value²·V^τ)^c)²  and  0 <= z < B·2^256 + 2L

with e_j of z and ρ as in ``checkpoints``, and a, b, U_j units. L is the longest that c·e can be, so
z is never negative and both ends of its range are reached.

Soundness. Write E_a = a/(base^(2z)·value^(2c)), E_b = b/(G^z·V^c), F_j = U_j/U_(j-1)^(2^w) and
M = a·b^τ/(∏ U_j^(z_j)·(value²·V^τ)^c), all squared, which puts them in a group of odd order. Then
M·∏ F_j^(ρ_j) = 1 is what is verified.
- M and F_j are fixed when ρ is drawn: if some F_j is not 1, one ρ_j modulo its order fits. If all
  are, M = E_a·E_b^τ = 1; E_a and E_b are fixed when τ is drawn: unless E_b = 1, one τ modulo its
  order fits. So both are 1, as Chaum and Pedersen ask.
- Two answers to one (a, b) that fulfil them give value² = base^(2e) and V = G^e for one and the
  same e = (z - z')/(c' - c). So at most one c fits an (a, b) where there is no such e, and where
  there is, at most one t_k fits a wrong values[k]; each modulo the order of what is wrong.
- Every hash a prover tries, at whichever of these places, thus succeeds with 2^-128, and Q of them
  with Q·2^-128 (round-by-round soundness: Canetti et al., STOC 2019).
Zero knowledge. z is within 2^-128 of a distribution that does not depend on e. A simulator draws c
and z, computes a and b from their equations, and the U_j from the statement and τ as anyone can.

What it does not show:
- Signs, or any factor of order 2: -values[k] passes where values[k] does, and so do -a or -U_j. The
  squares have odd order, and whoever reads a value must square it.
- That |e| < B. The division above is exact, or a root of base comes out of it: |e| < B·2^256 + 2L.
- Anything about a prover who can name an element of small odd order r in Z*_N: values wrong by
  such a factor pass one time in r, for c, τ and ρ as for the t_k. If its orders modulo p and q
  differ, one gcd gives p; computing and proving a wrong value is as hard as factoring N [Tiresias,
  abstract]. The primes of a ceremony are not safe primes, so such elements do exist. Powers of 1+N,
  whose order everyone knows, are not small: their orders are N, p and q.
- Anything if base is one that the prover chose. It is a hashed one, or fixed before e is.

Source: Friedman, Marmor, Mutzari, Scaly, Spiizer, Yanai, "Tiresias: Large Scale, Maliciously Secure
Threshold Paillier", eprint 2023/998: Protocol 4.1 (§4.2) and its batched form, Protocol 4.2 (§4.4),
as in its authors' implementation: r of 2·128 bits more than e, t_k and c of 128 bits, z = r - c·e,
all numbers squared first, a square 0 refused. Batching by short random exponents: Bellare, Garay,
Rabin, EUROCRYPT 1998, §3. That τ merges both equations, and the checkpoints, are our composition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from keyshare.digest import digest, expand, number_bytes
from keyshare.proofs.checkpoints import LIMBS, WEIGHT_BITS, checked_exponents, checkpoints
from keyshare.proofs.power_product import power_product
from keyshare.proofs.units import are_units
from keyshare.randomness import Stream

CHALLENGE_BITS = 128
STATISTICAL_BITS = 128
CHECKPOINTS = LIMBS - 1


@dataclass(frozen=True)
class EqualityProof:
    """(a, b, z, U_1 …), for the ranges that the module's equations give."""

    first: mpz
    second: mpz
    response: mpz
    checkpoints: tuple[mpz, ...]


@dataclass(frozen=True)
class EqualPowers:
    """What is shown: value = base^e and values[k] = bases[k]^e for one e, up to signs.

    modulus: N or N². bound: of |e|, 1 or more. All other numbers: units in [1, modulus), one pair
    (bases[k], values[k]) at least. context: what the proof is bound to.
    """

    base: mpz
    value: mpz
    bases: Sequence[mpz]
    values: Sequence[mpz]
    modulus: mpz
    bound: mpz
    context: bytes


@dataclass(frozen=True)
class _Batch:
    """A statement squared and batched: first = base², second = G, with their powers."""

    digest: bytes
    first: mpz
    first_power: mpz
    second: mpz
    second_power: mpz


@dataclass(frozen=True)
class _Hashed:
    """What is hashed so far, and the number of 128 bits that is taken from it."""

    digest: bytes

    @property
    def number(self) -> mpz:
        """c or τ."""
        return mpz(int.from_bytes(self.digest[: CHALLENGE_BITS // 8], "big"))


def _challenge(batch: _Batch, first: mpz, second: mpz) -> _Hashed:
    """c = H(statement, a, b)."""
    commitments = number_bytes(first), number_bytes(second)
    return _Hashed(digest("quorate/equality-proof/challenge", batch.digest, *commitments))


def _merging(challenge: _Hashed, response: mpz) -> _Hashed:
    """τ = H(statement, a, b, z)."""
    name = "quorate/equality-proof/merging"
    return _Hashed(digest(name, challenge.digest, number_bytes(response)))


def _weights(merging: _Hashed, points: Sequence[mpz]) -> list[mpz]:
    """ρ_j = H(statement, a, b, z, U_1, …)."""
    name = "quorate/equality-proof/weights"
    key = digest(name, merging.digest, *map(number_bytes, points))
    return expand(key, len(points), WEIGHT_BITS)


def longest_response(bound: mpz) -> mpz:
    """The largest z of an honest prover, B·2^256 + 2L - 1; the smallest is 0."""
    return (bound << (CHALLENGE_BITS + STATISTICAL_BITS)) + 2 * _reach(bound) - 1


def prove(exponent: mpz, statement: EqualPowers, stream: Stream) -> EqualityProof:
    """The proof for a statement with this exponent, which is not checked to fit.

    |exponent| < bound. 32 bytes are drawn from the stream. Raises ValueError for an exponent out of
    range or a malformed statement.
    """
    bound, modulus = statement.bound, statement.modulus
    if not -bound < exponent < bound:
        raise ValueError("the exponent is not below its bound")
    batch = _batch(statement)
    if batch is None:
        raise ValueError("values that no exponent fits, or not as many as bases")
    # Hashed with the statement: a stream that is drawn from again for another one gives another r.
    nonce = Stream.derive(stream.bytes(32), "equality proof", batch.digest)
    r = _reach(bound) + nonce.below(bound << (CHALLENGE_BITS + STATISTICAL_BITS))
    a = gmpy2.powmod(batch.first, r, modulus)
    b = gmpy2.powmod(batch.second, r, modulus)
    challenge = _challenge(batch, a, b)
    z = r - challenge.number * exponent
    merged = _merged(batch, _merging(challenge, z), modulus)
    return EqualityProof(a, b, z, checkpoints(merged, _response_bits(bound), modulus))


def verify(proof: EqualityProof, statement: EqualPowers) -> bool:
    """Whether the proof shows that all values have one exponent, up to signs; see the module.

    The statement's modulus and bound: the verifier's own. False, too, for an empty batch (its proof
    would say that somebody knows e, and nothing of any other value), for lists of different
    lengths, and for a number that is no unit in [1, modulus).
    """
    a, b, z, points = proof.first, proof.second, proof.response, proof.checkpoints
    if not 0 <= z <= longest_response(statement.bound) or len(points) != CHECKPOINTS:
        return False
    if not are_units((a, b, *points), statement.modulus):
        return False
    batch = _batch(statement)
    return batch is not None and _fits(proof, batch, statement.modulus, statement.bound)


def _fits(proof: EqualityProof, batch: _Batch, modulus: mpz, bound: mpz) -> bool:
    """(a·b^τ)² = (∏ U_j^(e_j) · (value²·V^τ)^c)²."""
    a, b, z, points = proof.first, proof.second, proof.response, proof.checkpoints
    challenge = _challenge(batch, a, b)
    merging = _merging(challenge, z)
    start = _merged(batch, merging, modulus)
    exponents = checked_exponents(z, _response_bits(bound), _weights(merging, points))
    c, tau = challenge.number, merging.number
    right = power_product(
        [start, *points, batch.first_power, batch.second_power], [*exponents, c, c * tau], modulus
    )
    left = a * gmpy2.powmod(b, tau, modulus)
    return bool((left * left - right * right) % modulus == 0)


def _merged(batch: _Batch, merging: _Hashed, modulus: mpz) -> mpz:
    """U_0 = base²·G^τ."""
    return batch.first * gmpy2.powmod(batch.second, merging.number, modulus) % modulus


def _reach(bound: mpz) -> mpz:
    """L, the longest |c·e|."""
    return ((mpz(1) << CHALLENGE_BITS) - 1) * (bound - 1)


def _response_bits(bound: mpz) -> int:
    return int(longest_response(bound).bit_length())


def _batch(statement: EqualPowers) -> _Batch | None:
    """The statement, hashed and batched; None if it has no pair, or a number that is no unit."""
    base, value, modulus = statement.base, statement.value, statement.modulus
    bases, values = statement.bases, statement.values
    if not bases or len(bases) != len(values):
        return None
    if not are_units((base, value, *bases, *values), modulus):
        return None
    hashed = digest(
        "quorate/equality-proof/statement",
        statement.context,
        *map(number_bytes, (modulus, statement.bound, base, value)),
        digest("quorate/equality-proof/bases", *map(number_bytes, bases)),
        digest("quorate/equality-proof/values", *map(number_bytes, values)),
    )
    coefficients = _coefficients(hashed, len(bases))
    return _Batch(
        hashed,
        base * base % modulus,
        value * value % modulus,
        gmpy2.powmod(power_product(bases, coefficients, modulus), 2, modulus),
        gmpy2.powmod(power_product(values, coefficients, modulus), 2, modulus),
    )


def _coefficients(statement: bytes, count: int) -> list[mpz]:
    """t_k, hashed from the whole statement."""
    return expand(digest("quorate/equality-proof/coefficients", statement), count, CHALLENGE_BITS)
