"""Proofs as they stand on the board."""

from __future__ import annotations

from gmpy2 import mpz

from keyshare.equality_proof import CHALLENGE_BITS, EqualityProof
from protocol.encoding import Message, digest
from protocol.messages import MAX_INLINE_BYTES


class Proof(Message, frozen=True):
    """An EqualityProof: challenge in 16 bytes, response big-endian with its sign in front."""

    challenge: bytes
    response: bytes


def write_proof(proof: EqualityProof) -> Proof:
    """The proof's one spelling."""
    response = int(proof.response)
    size = response.bit_length() // 8 + 1
    return Proof(
        int(proof.challenge).to_bytes(CHALLENGE_BITS // 8, "big"),
        response.to_bytes(size, "big", signed=True),
    )


def read_proof(proof: Proof) -> EqualityProof | None:
    """The proof, None if it has another length or more than one spelling."""
    response = int.from_bytes(proof.response, "big", signed=True)
    found = EqualityProof(mpz(int.from_bytes(proof.challenge, "big")), mpz(response))
    too_long = len(proof.response) > MAX_INLINE_BYTES
    return None if too_long or write_proof(found) != proof else found


def proof_context(session: bytes, step: str, member: int) -> bytes:
    """What a proof is bound to beside its statement: the ceremony, the step, who proves."""
    return digest("quorate/proof", session, step.encode(), member.to_bytes(8, "big"))
