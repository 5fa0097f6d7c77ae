"""Claims of equal exponents, provers who lie, and the equations of a proof, each checked alone.

``equations_hold`` uses nothing of keyshare: hashlib and pow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import gmpy2
from gmpy2 import mpz

from keyshare.proofs import equality_proof
from keyshare.proofs.checkpoints import checkpoints
from keyshare.proofs.equality_proof import EqualityProof, EqualPowers, prove, verify
from keyshare.randomness import Stream
from tests.stage.toy import seed_of

P, Q = mpz(2) ** 127 - 1, mpz(2) ** 89 - 1  # primes, 3 mod 4
N = P * Q
BOUND = mpz(1) << 200
EXPONENT = mpz(3) ** 120


@dataclass(frozen=True)
class Claim(EqualPowers):
    """A statement modulo N, unless told, with what is tried on it."""

    modulus: mpz = N
    bound: mpz = BOUND
    context: bytes = b"context"

    def accepts(self, proof: EqualityProof) -> bool:
        return verify(proof, self)

    def proof(self, exponent: mpz = EXPONENT, label: str = "proof") -> EqualityProof:
        return prove(exponent, self, Stream(seed_of(label)))

    def with_value(self, k: int, value: mpz) -> Claim:
        return replace(self, values=(*self.values[:k], value, *self.values[k + 1 :]))


def claim(count: int = 4, modulus: mpz = N, exponent: mpz = EXPONENT, **changes) -> Claim:
    """A true claim about hashed bases."""
    stream = Stream(seed_of("bases", modulus, count))
    base, *bases = [stream.unit(modulus) for _ in range(count + 1)]
    value, *values = [gmpy2.powmod(b, exponent, modulus) for b in (base, *bases)]
    return replace(Claim(base, value, tuple(bases), tuple(values), modulus), **changes)


def forged(false: Claim, b: mpz, exponent: mpz = EXPONENT, r: mpz = BOUND << 200) -> EqualityProof:
    """What a prover can do who answers for ``exponent`` but commits to a b of its own."""
    a = gmpy2.powmod(batch_of(false).first, r, false.modulus)
    challenge = equality_proof._challenge(batch_of(false), a, b).number
    return answered(false, a, b, r - challenge * exponent)


def batch_of(claim: EqualPowers) -> equality_proof._Batch:
    """The claim, hashed and batched; it has to be well formed."""
    batch = equality_proof._batch(claim)
    assert batch is not None
    return batch


def challenge_of(claim: Claim, proof: EqualityProof) -> mpz:
    """c."""
    return equality_proof._challenge(batch_of(claim), proof.first, proof.second).number


def with_point(proof: EqualityProof, j: int, point: mpz) -> EqualityProof:
    points = (*proof.checkpoints[:j], point, *proof.checkpoints[j + 1 :])
    return replace(proof, checkpoints=points)


def answered(
    claim: EqualPowers, a: mpz, b: mpz, z: mpz, batch: equality_proof._Batch | None = None
) -> EqualityProof:
    """The proof with these numbers, its checkpoints right."""
    batch = batch or batch_of(claim)
    merging = equality_proof._merging(equality_proof._challenge(batch, a, b), z)
    start = equality_proof._merged(batch, merging, claim.modulus)
    points = checkpoints(start, equality_proof._response_bits(claim.bound), claim.modulus)
    return EqualityProof(a, b, z, points)


def equations_hold(proof: EqualityProof, claim: EqualPowers) -> bool:
    """Both equations of Chaum and Pedersen, and each checkpoint from the one before, squared."""
    base, value, bases, values = claim.base, claim.value, claim.bases, claim.values
    n, bound = int(claim.modulus), int(claim.bound)
    limit = bound * 2**256 + 2 * (2**128 - 1) * (bound - 1)
    a, b, z, *points = map(int, (proof.first, proof.second, proof.response, *proof.checkpoints))
    hashed = statement_hash(claim)
    t = numbers("coefficients", len(bases), hashed)
    c, tau = hashed_numbers(hashed, a, b, z)
    g = prod(pow(int(x), 2 * k, n) for x, k in zip(bases, t, strict=True)) % n
    v = prod(pow(int(x), 2 * k, n) for x, k in zip(values, t, strict=True)) % n
    width = -(-(limit - 1).bit_length() // 8)
    chain = [int(base) ** 2 * pow(g, tau, n) % n, *points]
    return (
        0 <= z < limit
        and len(points) == 7
        and pow(a, 2, n) == pow(pow(int(base), 2 * z, n) * pow(int(value), 2 * c, n), 2, n)
        and pow(b, 2, n) == pow(pow(g, z, n) * pow(v, c, n), 2, n)
        and all(pow(y, 2, n) == pow(x, 2 << width, n) for x, y in pairwise(chain))
    )


def sha(name: str, *parts: bytes) -> bytes:
    """SHA-256 over the domain and the parts, each after its length."""
    written = [f"quorate/equality-proof/{name}".encode(), *parts]
    return hashlib.sha256(b"".join(len(p).to_bytes(8, "big") + p for p in written)).digest()


def spelled(number: Any) -> bytes:
    """Big-endian, without leading zeros."""
    return int(number).to_bytes((int(number).bit_length() + 7) // 8, "big")


def statement_hash(claim: EqualPowers) -> bytes:
    """Of everything that is claimed."""
    head = map(spelled, (claim.modulus, claim.bound, claim.base, claim.value))
    tail = sha("bases", *map(spelled, claim.bases)), sha("values", *map(spelled, claim.values))
    return sha("statement", claim.context, *head, *tail)


def numbers(name: str, count: int, *parts: bytes) -> list[int]:
    """Of 128 bits each, from SHAKE-256."""
    data = hashlib.shake_256(sha(name, *parts)).digest(16 * count)
    return [int.from_bytes(data[k : k + 16], "big") for k in range(0, len(data), 16)]


def hashed_numbers(statement: bytes, a: int, b: int, z: int) -> tuple[int, int]:
    """c and τ."""
    challenge = sha("challenge", statement, spelled(a), spelled(b))
    merging = sha("merging", challenge, spelled(z))
    return int.from_bytes(challenge[:16], "big"), int.from_bytes(merging[:16], "big")
