"""Proofs as they stand on the board."""

from typing import Annotated

from msgspec import Meta

from keyshare.digest import number_bytes
from keyshare.proofs import CHECKPOINTS, EqualityProof
from protocol.encoding import Message, digest
from protocol.key.epoch import Number, to_number

MAX_RESPONSE_BYTES = 4_096


class Proof(Message, frozen=True):
    """An EqualityProof: its numbers in its order, big-endian, without leading zeros."""

    first: Number
    second: Number
    response: Annotated[bytes, Meta(max_length=MAX_RESPONSE_BYTES)]
    checkpoints: Annotated[tuple[Number, ...], Meta(min_length=CHECKPOINTS, max_length=CHECKPOINTS)]


def write_proof(proof: EqualityProof) -> Proof:
    """The proof's one spelling."""
    first, second, response = map(number_bytes, (proof.first, proof.second, proof.response))
    return Proof(first, second, response, tuple(map(number_bytes, proof.checkpoints)))


def read_proof(proof: Proof) -> EqualityProof | None:
    """The proof, None in another spelling."""
    said = (proof.first, proof.second, proof.response, *proof.checkpoints)
    if any(number[:1] == b"\0" for number in said):
        return None
    first, second, response, *checkpoints = map(to_number, said)
    return EqualityProof(first, second, response, tuple(checkpoints))


def proof_context(session: bytes, step: str, member: int) -> bytes:
    """What a proof is bound to beside its statement: the ceremony, the step, who proves."""
    return digest("quorate/proof", session, step.encode(), member.to_bytes(8, "big"))
