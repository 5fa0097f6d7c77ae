"""What a hospital's part in a decryption costs: to make it, to prove it, and to check it.

A member makes its partial decryptions of all ciphertexts of a sum and one proof for them; each
other member checks that proof.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from gmpy2 import mpz

from benchmarks.timing import Stopwatch, medians, pin
from keyshare.digest import number_bytes
from keyshare.key import JointKey, SecretShare, deal_shares
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import EqualityProof, MemberParts, parts_hold, prove_parts
from keyshare.randomness import Stream

RUNS = 5
_MEMBERS, _QUORUM = 16, 9
_CONTEXT = bytes(32)


def measure(bits: int, ciphertexts: int, runs: int = RUNS) -> dict[str, Any]:
    """Seconds of each step; how much of making it takes to check; bytes of the proof's numbers."""
    pin()
    (key, shares), stream = deal_shares(bits, _MEMBERS, _QUORUM), Stream(secrets.token_bytes(32))
    asked = [stream.unit(key.n**2) for _ in range(ciphertexts)]
    costs, proofs = [], []
    for _ in range(runs):
        watch = Stopwatch()
        with watch("partial_seconds"):
            part = [partial_decryption(c, shares[1], key) for c in asked]
        proofs.append(prove_part(asked, part, shares[1], key, watch))
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
    total: Sequence[mpz], part: Sequence[mpz], share: SecretShare, key: JointKey, watch: Stopwatch
) -> EqualityProof:
    """A member's part, proved and checked."""
    said = MemberParts(tuple(part), tuple(total), share.index, key, _CONTEXT)
    with watch("equality_proof_seconds"):
        proof = prove_parts(said, share, Stream(secrets.token_bytes(32)))
    with watch("equality_check_seconds"):
        accepted = parts_hold(proof, said)
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
