"""A member's partial decryptions are proved to be those of its key share, and nobody else's."""

import pytest
from gmpy2 import mpz

from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs.equality_proof import EqualityProof
from keyshare.proofs.proved_parts import MemberParts, parts_hold, prove_parts
from keyshare.randomness import Stream
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
KEY = TOY.epoch.joint_key()
SQUARE = KEY.n**2
CIPHERTEXTS = tuple(Stream.derive(b"", "ciphertext", str(k)).unit(SQUARE) for k in range(3))


def parts_of(member: int) -> list[mpz]:
    return [partial_decryption(c, TOY.shares[member], KEY) for c in CIPHERTEXTS]


def said(parts: list[mpz], member: int, context: bytes = b"here") -> MemberParts:
    return MemberParts(tuple(parts), CIPHERTEXTS, member, KEY, context)


def proof_of(member: int, parts: list[mpz]) -> EqualityProof:
    return prove_parts(said(parts, member), TOY.shares[member], Stream(bytes(32)))


def holds(proof: EqualityProof, parts: list[mpz], member: int, context: bytes = b"here") -> bool:
    return parts_hold(proof, said(parts, member, context))


def test_the_statement_is_that_of_the_share() -> None:
    for member, share in TOY.shares.items():
        shown = said(parts_of(member), member).statement
        assert shown.value == pow(shown.base, share.value, SQUARE)
        assert [*shown.values] == [pow(b, share.value, SQUARE) for b in shown.bases]


@pytest.mark.parametrize("member", TOY.shares)
def test_the_parts_of_a_share_hold(member: int) -> None:
    parts = parts_of(member)
    assert holds(proof_of(member, parts), parts, member)


def test_they_hold_for_no_other_member_place_or_number() -> None:
    parts = parts_of(2)
    proof = proof_of(2, parts)
    assert not holds(proof, parts, 3)
    assert not holds(proof, parts, 2, b"there")
    assert not holds(proof, parts[::-1], 2)
    assert not holds(proof, parts[:2], 2)
    for k in range(len(parts)):
        shifted = [*parts]
        shifted[k] = parts[k] * (1 + KEY.n) % SQUARE
        assert not holds(proof, shifted, 2)
        assert not holds(proof_of(2, shifted), shifted, 2)
