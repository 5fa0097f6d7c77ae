"""Candidates for the factors of N, drawn by t+1 dealers together and known to none.

p = Σ p_i over the integers. Modulo a prime r of the sieve every dealer draws its residue from
[1, ⌊(r-1)/(t+1)⌋]: the sum lies in [1, r-1] and is never 0, without a message and without throwing
anything away. Modulo 4 and the smallest primes the first dealer, the *lead*, decides alone. Above
the residues each p_i is uniform, so that p has the entropy of every honest dealer's share whatever
the others do. What t dealers know of p in this way is counted in bits and bounded: see KNOWN_BITS.

Sources: Boneh, Franklin, J. ACM 48(4), 2001, §2 (additive shares, p ≡ q ≡ 3 mod 4). The intervals
are our own: docs/security/ceremony.md has the argument, decision 4 the costs.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from keyshare.ceremony.lanes import Lanes, evaluate_row
from keyshare.errors import BadParameters

# Of a factor's 1024 bits or more, its own intervals give so many to t dealers at most; with those
# of the other factor, which N turns into some for this one, twice as many.
KNOWN_BITS = 64
TRIAL_BOUND = 1 << 22  # public trial division of N, beyond what sampling already excludes
_FIRST_TRIAL_BOUND = 1 << 12  # a cheap first pass, which most candidates do not survive
_MERTENS = 1.7810724179901980
_TREE_LEAVES = 256  # moduli that share the division of a primorial
MIN_BITS, MAX_BITS = 256, 4096
LEAST_KEY_BITS = 2048  # of a key that is to protect anything: some 112 bits of security
MIN_MEMBERS, MAX_MEMBERS = 3, 16
# Exponents of Mersenne primes: the smallest 2^e - 1 above a range is the field to compute in.
_MERSENNE = (521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689, 9941, 11213, 19937)
_LIMB_BITS, _WORD_BYTES = 32, 8
_WORD_BITS = 53  # of each random word, so that word·width stays below 2^64


@dataclass(frozen=True)
class CandidateShape:
    """Ranges of the factor shares for a key of ``bits`` bits among ``n_members``.

    p_i = (residues of 4, ``small`` and ``sieve``, lifted to [0, step)) + step·r_i, 0 <= r_i <
    2^span_bits, and the lead adds ``base``, so that 3·2^(k-2) <= p < 2^k with k = bits/2, and N
    has exactly ``bits`` bits.
    """

    bits: int
    n_members: int
    small: tuple[int, ...]  # odd primes whose residue the lead decides alone
    sieve: tuple[int, ...]  # the primes after them, with an interval for each dealer
    step: mpz  # 4·∏ small·∏ sieve
    span_bits: int
    base: mpz
    field_exponent: int  # 2^e - 1 > 2^bits: the field for the multiplication of p and q

    @property
    def degree(self) -> int:
        """t: so many members together learn nothing; products have degree 2t <= n - 1."""
        return (self.n_members - 1) // 2

    @property
    def dealers(self) -> int:
        """t + 1: one of so many is honest."""
        return self.degree + 1

    @property
    def sampling_bound(self) -> int:
        """No candidate has a prime factor up to this."""
        return max(3, *self.small, *self.sieve) if self.small or self.sieve else 3


@lru_cache(maxsize=64)
def candidate_shape(bits: int, n_members: int) -> CandidateShape:
    """Shape of the candidates: as many primes in the sieve as KNOWN_BITS and bits/2 leave room for.

    Raises BadParameters unless bits is even in [256, 4096] and n_members in [3, 16].
    """
    if bits % 2 or not MIN_BITS <= bits <= MAX_BITS:
        raise BadParameters("key bits", bits, f"even, {MIN_BITS} to {MAX_BITS}")
    if not MIN_MEMBERS <= n_members <= MAX_MEMBERS:
        raise BadParameters("members", n_members, f"{MIN_MEMBERS} to {MAX_MEMBERS}")
    dealers = (n_members - 1) // 2 + 1
    top = mpz(1) << (bits // 2 - 2)  # room above 3·2^(k-2)
    small, sieve = list[int](), list[int]()
    step, prime, known = mpz(4), 3, 0.0
    while step * prime * 4 * dealers <= top:
        if prime < 2 * dealers + 2:
            small.append(prime)
        else:
            known += math.log2(prime / interval(prime, dealers))
            if known > KNOWN_BITS:
                break
            sieve.append(prime)
        step *= prime
        prime = int(gmpy2.next_prime(prime))
    span_bits = (top // (step * dealers)).bit_length() - 1
    base = -(-3 * top // step) * step
    exponent = mersenne_exponent(mpz(1) << bits)
    return CandidateShape(
        bits, n_members, tuple(small), tuple(sieve), step, span_bits, base, exponent
    )


def interval(prime: int, dealers: int) -> int:
    """How many residues a dealer chooses from: so many dealers' residues add up to less than r."""
    return (prime - 1) // dealers


def mersenne_exponent(bound: mpz) -> int:
    """e of the smallest of the known Mersenne primes 2^e - 1 above ``bound``."""
    for exponent in _MERSENNE:
        if (mpz(1) << exponent) - 1 > bound:
            return exponent
    raise BadParameters("field bits", bound.bit_length(), f"below {_MERSENNE[-1]}")


# ── what a dealer draws for a batch, every candidate's part from a leaf of its own ──


@dataclass(frozen=True)
class Dealing:
    """One dealer's factor shares for some candidates, and their Shamir polynomials over F_P."""

    factors: tuple[tuple[mpz, mpz], ...] = field(repr=False)  # (p_i, q_i) of each candidate
    polynomials: tuple[list[mpz], list[mpz]] = field(repr=False)  # of p and of q, as rows
    rows: Lanes

    def points(self, member: int) -> tuple[mpz, mpz]:
        """The rows of a member's shares of p_i and of q_i."""
        p, q = (evaluate_row(f, member, self.rows) for f in self.polynomials)
        return p, q


def deal_factors(shape: CandidateShape, is_lead: bool, leaves: Sequence[bytes]) -> Dealing:
    """What a dealer deals for the candidates with these 32-byte secret leaves; a pure function."""
    rows = Lanes(shape.field_exponent, len(leaves))
    residues = len(_moduli(shape)) * _WORD_BYTES
    span = (shape.span_bits + 7) // 8
    head = 2 * (residues + span)
    total = head + 2 * shape.degree * rows.width
    drawn = [hashlib.shake_256(b"quorate/dealing" + leaf).digest(total) for leaf in leaves]
    shares, polynomials = list[list[mpz]](), list[list[mpz]]()
    for which in range(2):
        at = which * (residues + span)
        lifted = _lift(shape, is_lead, [d[at : at + residues] for d in drawn])
        spans = (d[at + residues : at + residues + span] for d in drawn)
        secrets = [_factor(shape, is_lead, x, s) for x, s in zip(lifted, spans, strict=True)]
        coefficients = [
            rows.random([d[k : k + rows.width] for d in drawn])
            for k in range(head + which * shape.degree * rows.width, total, rows.width)
        ][: shape.degree]
        shares.append(secrets)
        polynomials.append([rows.join(secrets), *coefficients])
    return Dealing(tuple(zip(*shares, strict=True)), (polynomials[0], polynomials[1]), rows)


def _moduli(shape: CandidateShape) -> tuple[int, ...]:
    return (4, *shape.small, *shape.sieve)


def _factor(shape: CandidateShape, is_lead: bool, residue: mpz, span: bytes) -> mpz:
    high = mpz(int.from_bytes(span, "little")) & ((mpz(1) << shape.span_bits) - 1)
    return residue + shape.step * high + (shape.base if is_lead else 0)


def _lift(shape: CandidateShape, is_lead: bool, words: Sequence[bytes]) -> list[mpz]:
    """Residues drawn from 8 bytes a modulus (bias below 2^-40), and the numbers that have them."""
    offsets, widths = _ranges(shape, is_lead)
    drawn = np.frombuffer(b"".join(words), dtype="<u8").reshape(len(words), -1)
    shift = np.uint64(64 - _WORD_BITS)
    residues = offsets + (((drawn >> shift) * widths) >> np.uint64(_WORD_BITS))
    limbs = residues @ _idempotents(shape)  # below 2^9 · 2^32 · (number of moduli) < 2^64
    mask = np.uint64((1 << _LIMB_BITS) - 1)
    size = 4 * limbs.shape[1]
    low = (limbs & mask).astype("<u4").tobytes()
    high = (limbs >> np.uint64(_LIMB_BITS)).astype("<u4").tobytes()
    return [
        (mpz(int.from_bytes(low[k : k + size], "little"))
         + (mpz(int.from_bytes(high[k : k + size], "little")) << _LIMB_BITS)) % shape.step
        for k in range(0, len(low), size)
    ]  # fmt: skip


@lru_cache(maxsize=128)
def _ranges(shape: CandidateShape, is_lead: bool) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """First residue and number of residues for each modulus."""
    widths = [interval(r, shape.dealers) for r in shape.sieve]
    alone = [(3, 0), *((1, r - 1) for r in shape.small)]
    ranges = alone if is_lead else [(0, 0)] * len(alone)
    ranges += [(1, width) for width in widths]
    offsets, sizes = zip(*ranges, strict=True)
    return np.array(offsets, dtype=np.uint64), np.array(sizes, dtype=np.uint64)


@lru_cache(maxsize=64)
def _idempotents(shape: CandidateShape) -> NDArray[np.uint64]:
    """Limbs of E_r = 1 mod r, 0 mod the other moduli; a row for each modulus."""
    limbs = -(-shape.step.bit_length() // _LIMB_BITS)
    rows = []
    for r in _moduli(shape):
        cofactor = shape.step // r
        e = int(cofactor * gmpy2.invert(cofactor, r) % shape.step)
        rows.append(np.frombuffer(e.to_bytes(4 * limbs, "little"), dtype="<u4"))
    return np.array(rows).astype(np.uint64)


# ── public trial division, and what to expect ──


@lru_cache(maxsize=16)
def _primorial(bound: int) -> mpz:
    return gmpy2.primorial(bound)


@lru_cache(maxsize=8)
def survivors(moduli: tuple[mpz, ...], shape: CandidateShape) -> tuple[int, ...]:
    """Positions of the moduli of the right length without a prime factor up to TRIAL_BOUND.

    The last answers are kept: a verdict replays one ceremony as every member has seen it.
    """
    first = _primorial(_FIRST_TRIAL_BOUND)
    left = [
        k
        for k, n in enumerate(moduli)
        if n.bit_length() == shape.bits and n % 4 == 1 and gmpy2.gcd(first % n, n) == 1
    ]
    found = list[int]()
    for start in range(0, len(left), _TREE_LEAVES):
        chosen = left[start : start + _TREE_LEAVES]
        remainders = _remainders(_primorial(TRIAL_BOUND), [moduli[k] for k in chosen])
        pairs = zip(chosen, remainders, strict=True)
        found += [k for k, rest in pairs if gmpy2.gcd(rest, moduli[k]) == 1]
    return tuple(found)


def _remainders(value: mpz, moduli: Sequence[mpz]) -> list[mpz]:
    """``value`` modulo each of the moduli, down a tree of their products."""
    levels = [list(moduli)]
    while len(levels[-1]) > 1:
        last = levels[-1]
        levels.append([gmpy2.mpz(math.prod(last[k : k + 2])) for k in range(0, len(last), 2)])
    remainders = [value]
    for level in reversed(levels):
        remainders = [remainders[k // 2 if len(level) > 1 else 0] % m for k, m in enumerate(level)]
    return remainders


def expected_candidates(bits: int, n_members: int) -> float:
    """Mean number of candidate pairs until both factors are prime: 1/P², P as below."""
    return 1 / _prime_probability(bits, candidate_shape(bits, n_members).sampling_bound) ** 2


def expected_tests(bits: int, n_members: int) -> float:
    """Mean number of candidates that reach the first biprimality round."""
    bound = max(TRIAL_BOUND, candidate_shape(bits, n_members).sampling_bound)
    return 1 / _prime_probability(bits, bound) ** 2


def _prime_probability(bits: int, bound: int) -> float:
    """P(p prime | no factor up to B) = ∏ r/(r-1) / ln p = e^0.577…·ln B / ln p [Mertens, 1874]."""
    return min(1.0, _MERTENS * math.log(bound) / (math.log(2) * (bits / 2 - 0.2)))
