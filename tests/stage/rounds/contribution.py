"""A hospital that contributes what it is told: plaintexts encrypted, proved and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from gmpy2 import mpz

from keyshare.hybrid.key_packing import pack_key
from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import OneTimeKey
from keyshare.proofs import plaintext_proof
from keyshare.proofs.plaintext_proof import Opened
from keyshare.randomness import Stream
from keyshare.rounds.packing import pack
from protocol.board.post import Posted
from protocol.board.study import Study
from protocol.board.suite import suite_of
from protocol.key.epoch import Epoch
from protocol.messages.attachment import attach, blob_name
from protocol.messages.rounds import NEAR_TO_NOTHING, Contribution, Near, Opening
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    lattice_context,
    proof_context,
    write_ciphertexts,
)
from tests.stage.toy import seed_of


@dataclass(frozen=True)
class Made:
    """A contribution with its blobs; ``values`` are the slots that are in it."""

    body: Contribution
    payload: bytes
    encrypted: Encrypted
    chunks: tuple[bytes, ...] = ()
    values: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (*self.chunks, *((self.payload,) if self.body.ciphertexts.is_blob else ()))

    def with_chunks(self, *chunks: bytes) -> Made:
        """The same with other chunks, which its proof does not fit."""
        body = msgspec.structs.replace(self.body, vector=tuple(map(blob_name, chunks)))
        return replace(self, body=body, chunks=chunks)


def hybrid_lattice(study: Study) -> Lattice:
    """That of the hybrid suite."""
    lattice = suite_of("hybrid", study).lattice
    assert lattice is not None
    return lattice


def near_to(*named: str | int) -> Near:
    """What a contribution names: rounds by session, starts of federations before by their place."""
    rounds = sorted(one for one in named if isinstance(one, str))
    return Near(tuple(rounds), tuple(sorted(one for one in named if isinstance(one, int))))


def encrypt(plaintexts: Iterable[int | mpz], epoch: Epoch, *label: object) -> list[Opened]:
    """Plaintexts modulo N under an epoch's key; the randomness follows from the label."""
    encryptor = EncryptionKey.of(epoch).encryptor
    numbers = [mpz(one) % encryptor.n for one in plaintexts]
    return plaintext_proof.encrypt_opened(numbers, encryptor, Stream(seed_of(*label)))


def prove(
    opened: Sequence[Opened],
    member: int,
    session: str,
    opening: bytes,
    epoch: Epoch,
    vector: tuple[bytes, ...] = (),
    near: Near = NEAR_TO_NOTHING,
) -> Encrypted:
    """Ciphertexts, with a member's proof for the opening with this digest."""
    context = proof_context(epoch.digest, session, member, opening, vector, near)
    stream = Stream(seed_of("proof", member, session, opening.hex()))
    proof = plaintext_proof.prove_plaintexts(
        opened, EncryptionKey.of(epoch).encryptor, context, stream
    )
    return Encrypted(tuple(one.ciphertext for one in opened), proof)


def proved(
    plaintexts: Iterable[int | mpz],
    member: int,
    session: str,
    opening: bytes,
    epoch: Epoch,
    near: Near = NEAR_TO_NOTHING,
) -> Encrypted:
    """What a member sends in a session, for the opening with this digest."""
    opened = encrypt(plaintexts, epoch, "proved", member, session, opening.hex())
    return prove(opened, member, session, opening, epoch, near=near)


def payload_of(encrypted: Encrypted, epoch: Epoch) -> bytes:
    """The payload that carries it."""
    return write_ciphertexts(encrypted, epoch.joint_key().n)


def written(
    encrypted: Encrypted,
    opening: bytes,
    epoch: Epoch,
    chunks: Sequence[bytes] = (),
    values: Iterable[int] = (),
    near: Near = NEAR_TO_NOTHING,
) -> Made:
    """Ciphertexts and chunks as they are sent."""
    payload = payload_of(encrypted, epoch)
    body = Contribution(opening, attach(payload), tuple(map(blob_name, chunks)), near)
    return Made(body, payload, encrypted, tuple(chunks), np.asarray(values, np.int64))


def contribution(
    plaintexts: Iterable[int | mpz],
    member: int,
    session: str,
    opening: bytes,
    epoch: Epoch,
    near: Near = NEAR_TO_NOTHING,
) -> Made:
    """A member's contribution of plaintexts, as a statistic has them."""
    encrypted = proved(plaintexts, member, session, opening, epoch, near)
    return written(encrypted, opening, epoch, near=near)


def training(
    values: np.ndarray,
    member: int,
    opening: Posted,
    epoch: Epoch,
    study: Study,
    label: object = "",
    near: Near = NEAR_TO_NOTHING,
) -> Made:
    """A member's contribution of an update's slots, packed or under a one-time key."""
    session, asked = opening.post.session, opening.post.body
    assert isinstance(asked, Opening)
    suite, seed = suite_of(asked.suite, study), seed_of("training", session, member, label)
    if (lattice := suite.lattice) is None:
        plaintexts, chunks = pack(values, suite.packing(asked.length)), list[bytes]()
    else:
        key, context = OneTimeKey(lattice, seed), lattice_context(epoch.digest, opening.digest)
        plaintexts = pack_key(key.secret, lattice, epoch.joint_key().n)
        starts = range(0, len(values), each := lattice.chunk_weights)
        chunks = [key.encrypt(k, values[s : s + each], context) for k, s in enumerate(starts)]
    opened, vector = encrypt(plaintexts, epoch, seed), tuple(map(blob_name, chunks))
    encrypted = prove(opened, member, session, opening.digest, epoch, vector, near)
    return written(encrypted, opening.digest, epoch, chunks, values, near)
