"""What a hospital's part in a decryption costs: to make it, to prove it, and to check it.

A member makes its partial decryptions of all ciphertexts of a sum and one proof for them; each
other member checks that proof.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import gmpy2
from gmpy2 import mpz

from benchmarks.dealt_key import DealtKey, dealt_key
from benchmarks.timing import Stopwatch, medians, pin
from keyshare import equality_proof
from keyshare.digest import number_bytes
from keyshare.equality_proof import EqualityProof
from keyshare.partial_decryption import partial_decryption
from keyshare.randomness import Stream

RUNS = 5
_MEMBERS, _QUORUM = 16, 9
_CONTEXT = bytes(32)


def measure(bits: int, ciphertexts: int, runs: int = RUNS) -> dict[str, Any]:
    """Seconds of each step; how much of making it takes to check; bytes of the proof's numbers."""
    pin()
    dealt, stream = dealt_key(bits, _MEMBERS, _QUORUM), Stream(secrets.token_bytes(32))
    asked = [stream.unit(dealt.key.n**2) for _ in range(ciphertexts)]
    costs, proofs = [], []
    for _ in range(runs):
        watch = Stopwatch()
        with watch("partial_seconds"):
            part = [partial_decryption(c, dealt.shares[1], dealt.key) for c in asked]
        proofs.append(prove_part(asked, part, dealt, watch))
        costs.append(watch.seconds)
    seconds = medians(costs)
    return {
        "bits": bits,
        "ciphertexts": ciphertexts,
        "members": _MEMBERS,
        "runs": runs,
        **seconds,
        "checking_to_making": checking_to_making(seconds),
        "proof_bytes": max(map(_size, proofs)),
    }


def prove_part(
    total: Sequence[mpz], part: Sequence[mpz], dealt: DealtKey, watch: Stopwatch
) -> EqualityProof:
    """c_i = (c^(2Δ))^(f_1) for all c, and VK_1 = (v^Δ)^(f_1): one exponent; proved and checked."""
    key, square, bound = dealt.key, dealt.key.n**2, dealt.shape.share_bound
    stream = Stream(secrets.token_bytes(32))

    def said() -> tuple[mpz, mpz, list[mpz], Sequence[mpz], mpz, mpz, bytes]:
        base = gmpy2.powmod(key.verification_base, key.delta, square)
        bases = [gmpy2.powmod(c, 2 * key.delta, square) for c in total]
        return base, key.verification_keys[0], bases, part, square, bound, _CONTEXT

    with watch("equality_proof_seconds"):
        proof = equality_proof.prove(dealt.shares[1].value, *said(), stream)
    with watch("equality_check_seconds"):
        accepted = equality_proof.verify(proof, *said())
    if not accepted:
        raise ArithmeticError("the proof of a part is wrong")
    return proof


def checking_to_making(seconds: dict[str, float]) -> float:
    """Seconds of checking over those of making the part and its proof."""
    making = seconds["partial_seconds"] + seconds["equality_proof_seconds"]
    return round(seconds["equality_check_seconds"] / making, 4)


def _size(proof: EqualityProof) -> int:
    numbers = proof.first, proof.second, proof.response, *proof.checkpoints
    return sum(len(number_bytes(number)) for number in numbers)
