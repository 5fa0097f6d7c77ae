"""Plaintexts encrypted and proved as a member's contribution, whatever the round."""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from keyshare.proofs.plaintext_proof import encrypt_opened, prove
from keyshare.randomness import Stream
from protocol.key.epoch import Epoch
from protocol.rounds.ciphertexts import Encrypted, EncryptionKey, proof_context, write_ciphertexts
from tests.stage.toy import seed_of


def proved(
    plaintexts: Sequence[mpz], member: int, session: str, opening: bytes, epoch: Epoch
) -> Encrypted:
    """What a member sends in a session, for the opening with this digest."""
    key = EncryptionKey.of(epoch)
    stream = Stream(seed_of("proved", member, session, opening.hex()))
    opened = encrypt_opened(plaintexts, key.encryptor, stream)
    context = proof_context(key.epoch, session, member, opening)
    proof = prove(opened, key.encryptor, context, stream)
    return Encrypted(tuple(one.ciphertext for one in opened), proof)


def payload_of(encrypted: Encrypted, epoch: Epoch) -> bytes:
    """The payload that carries it."""
    return write_ciphertexts(encrypted, epoch.joint_key().n)
