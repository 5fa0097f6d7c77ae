"""Hospitals that contribute under the hybrid suite, and what their sum decodes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from gmpy2 import mpz

from keyshare.hybrid.key_packing import pack_key, unpack_key
from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, Values
from keyshare.key.partial_decryption import combine, partial_decryption
from keyshare.proofs.plaintext_proof import encrypt_opened, prove
from keyshare.randomness import Stream
from protocol.board.messages import Contribution, attach, blob_name
from protocol.board.suite import suite_of
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    lattice_context,
    proof_context,
    read_ciphertexts,
    write_ciphertexts,
)
from tests.stage.desk import Desk, federation
from tests.stage.toy import seed_of, toy_epoch

SESSION = "round/1"
LENGTH = 20_000  # with chunks as short as ``short_chunks`` makes them, three of these
SHORT_CHUNK = 4_096
CLIP = 2.5


def hybrid_desk(folder: Path, **changes: Any) -> Desk:
    """A service whose federation of four encrypts under the hybrid suite."""
    return Desk(folder, federation(n=4, suite="hybrid", **changes))


@dataclass(frozen=True)
class Made:
    """A contribution with its blobs; ``values`` is what is in it."""

    body: Contribution
    payload: bytes
    chunks: tuple[bytes, ...]
    values: Values = field(repr=False)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (*self.chunks, *((self.payload,) if self.body.ciphertexts.is_blob else ()))

    def with_chunks(self, *chunks: bytes) -> Made:
        """The same with other chunks, which its proof does not fit."""
        names = tuple(map(blob_name, chunks))
        body = msgspec.structs.replace(self.body, vector=names)
        return Made(body, self.payload, chunks, self.values)


@dataclass(frozen=True)
class Hospitals:
    """Everybody's side of one open round at a desk."""

    desk: Desk

    @property
    def lattice(self) -> Lattice:
        lattice = suite_of("hybrid", self.desk.federation.terms).lattice
        assert lattice is not None
        return lattice

    @property
    def opening(self) -> bytes:
        opening = self.desk.service.rounds.views[SESSION].opening
        assert opening is not None
        return opening.digest

    @property
    def slot_count(self) -> int:
        """Of the open round."""
        length = self.desk.opening(SESSION).length
        return suite_of("hybrid", self.desk.federation.terms).slot_count(length)

    @property
    def context(self) -> bytes:
        return lattice_context(self.desk.epoch.digest, self.opening)

    def make(self, member: int, prover: int | None = None, label: str = "") -> Made:
        """A member's contribution; ``prover`` is whom the proof names, itself unless told."""
        lattice, seed = self.lattice, seed_of("hybrid", member, label)
        length = self.slot_count
        draw = np.random.default_rng(member)
        values = draw.integers(0, lattice.levels, length, dtype=np.int64)
        secret, each = OneTimeKey(lattice, seed), lattice.chunk_weights
        chunks = tuple(
            secret.encrypt(chunk, values[chunk * each : (chunk + 1) * each], self.context)
            for chunk in range(lattice.chunk_count(length))
        )
        key = EncryptionKey.of(self.desk.epoch)
        stream = Stream.derive(seed, "paillier")
        plaintexts = pack_key(secret.secret, lattice, key.encryptor.n)
        opened = encrypt_opened(plaintexts, key.encryptor, stream)
        names = tuple(map(blob_name, chunks))
        context = proof_context(key.epoch, SESSION, prover or member, self.opening, names)
        proof = prove(opened, key.encryptor, context, stream)
        ciphertexts = tuple(one.ciphertext for one in opened)
        payload = write_ciphertexts(Encrypted(ciphertexts, proof=proof), key.encryptor.n)
        body = Contribution(self.opening, attach(payload), names)
        return Made(body, payload, chunks, values)

    def post(self, member: int, made: Made) -> Made:
        self.desk.say(member, SESSION, made.body, *made.blobs)
        return made

    def contribute(self, member: int) -> Made:
        return self.post(member, self.make(member))

    def opened_sum(self) -> Values:
        """What a quorum decrypts, and the key opens."""
        closing = self.desk.closing(SESSION)
        assert closing is not None
        toy, opening = toy_epoch(len(self.desk.federation.members), 2), self.desk.opening(SESSION)
        n = mpz(toy.key.n)
        payload = self.desk.service._blobs.payload(closing.total)
        total = read_ciphertexts(payload, opening, self.desk.federation.terms, n)
        assert total.proof is None
        helpers = {m: toy.shares[m] for m in (1, 2)}
        plaintexts = [
            combine({m: partial_decryption(c, s, toy.key) for m, s in helpers.items()}, toy.key)
            for c in total.values
        ]
        digits = unpack_key(plaintexts, self.lattice, n)
        summed = SummedKey(self.lattice, digits, len(closing.contributors))
        left, each, found = self.slot_count, self.lattice.chunk_weights, []
        for chunk, name in enumerate(closing.vector):
            data = self.desk.service._blobs.read(name)
            found.append(summed.open(chunk, data, min(left, each), self.context))
            left -= each
        return np.concatenate(found)


def work(desk: Desk, seconds: float = 0) -> int:
    """Let time pass and the service do all that it can; how many ticks that took."""
    desk.time_ms += int(1000 * seconds)
    ticks = 0
    while desk.service.tick():
        ticks += 1
        assert ticks < 1_000
    return ticks
