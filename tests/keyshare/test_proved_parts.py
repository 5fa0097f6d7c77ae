"""A member's partial decryptions are proved to be those of its key share, and nobody else's."""

from __future__ import annotations

import pytest
from gmpy2 import mpz

from keyshare.equality_proof import EqualityProof
from keyshare.partial_decryption import partial_decryption
from keyshare.proved_parts import part_statement, parts_hold, prove_parts
from keyshare.randomness import Stream
from tests.toy import toy_epoch

TOY = toy_epoch(5, 3)
KEY = TOY.epoch.joint_key()
SQUARE = KEY.n**2
CIPHERTEXTS = [Stream.derive(b"", "ciphertext", str(k)).unit(SQUARE) for k in range(3)]


def parts_of(member: int) -> list[mpz]:
    return [partial_decryption(c, TOY.shares[member], KEY) for c in CIPHERTEXTS]


def proof_of(member: int, parts: list[mpz]) -> EqualityProof:
    return prove_parts(parts, CIPHERTEXTS, TOY.shares[member], KEY, b"here", Stream(bytes(32)))


def holds(proof: EqualityProof, parts: list[mpz], member: int, context: bytes = b"here") -> bool:
    return parts_hold(proof, parts, CIPHERTEXTS, member, KEY, context)


def test_the_statement_is_that_of_the_share() -> None:
    for member, share in TOY.shares.items():
        base, value, bases = part_statement(CIPHERTEXTS, member, KEY)
        assert value == pow(base, share.value, SQUARE)
        assert parts_of(member) == [pow(b, share.value, SQUARE) for b in bases]


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
