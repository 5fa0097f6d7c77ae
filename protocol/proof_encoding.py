"""Proofs as they stand on the board."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from keyshare.equality_proof import CHALLENGE_BITS, EqualityProof
from protocol.encoding import Message, digest
from protocol.epoch import to_bytes, to_number
from protocol.messages import MAX_INLINE_BYTES

_CHALLENGE_BYTES = CHALLENGE_BITS // 8


class Proof(Message, frozen=True):
    """An EqualityProof: the challenge in 16 bytes, the response without leading zeros."""

    challenge: Annotated[bytes, Meta(min_length=_CHALLENGE_BYTES, max_length=_CHALLENGE_BYTES)]
    response: Annotated[bytes, Meta(max_length=MAX_INLINE_BYTES)]


def write_proof(proof: EqualityProof) -> Proof:
    """The proof's one spelling."""
    challenge = int(proof.challenge).to_bytes(_CHALLENGE_BYTES, "big")
    return Proof(challenge, to_bytes(proof.response))


def read_proof(proof: Proof) -> EqualityProof | None:
    """The proof, None in another spelling."""
    found = EqualityProof(to_number(proof.challenge), to_number(proof.response))
    return found if write_proof(found) == proof else None


def proof_context(session: bytes, step: str, member: int) -> bytes:
    """What a proof is bound to beside its statement: the ceremony, the step, who proves."""
    return digest("quorate/proof", session, step.encode(), member.to_bytes(8, "big"))
