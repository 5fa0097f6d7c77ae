"""What a hospital sends in a round: its update, quantised, or its numbers; encrypted and proved.

A hospital with n examples adds n times its update to every sum, and no other multiple: or else the
difference of two sums from one model, or from nearly the same, would show a part of single updates.
So an update that does not fit the bounds of a round is not scaled down to them: its hospital
*blinds* its contribution, in which the number of examples and the tally alone are true, and random
numbers stand in place of the rest. The round's sum shows by the tally that somebody did not fit,
and nothing of any update; the next round from the same model has bounds that all fit. An update
beyond the plan's clip, which no bounds fit, is not contributed.

An update is read twice, slice by slice: once for its largest change and its hash, once to encrypt
it. The seed of all that is drawn for it, the one-time key and the rounding among it, is

    H(device secret, 32 fresh bytes, context, SHA-256 of number of examples and update)

and that of everything else which is drawn follows in the same way from what it is drawn for,
so that neither a restored snapshot of the machine, which repeats the fresh bytes, nor a broken
source of randomness gives two updates one key. Each chunk is durable as soon as it is made;
nothing leaves before the signed post is durable too.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from keyshare.digest import digest, number_bytes
from keyshare.errors import BadExamples
from keyshare.hybrid import Lattice, OneTimeKey, pack_key
from keyshare.proofs import encrypt_opened, prove_plaintexts
from keyshare.randomness import Stream, derive_key
from keyshare.rounds import Slots, SlotWriter, blind, largest_change, pack
from participant.agent import store_blob
from participant.disk import Storage
from protocol.board import Draft, Posted, Study, Suite, public_payload, suite_of
from protocol.key import Epoch, EpochSecret
from protocol.messages import NEAR_TO_NOTHING, Contribution, Near, Opening
from protocol.rounds import (
    Encrypted,
    EncryptionKey,
    lattice_context,
    proof_context,
    write_ciphertexts,
)

_SLICE = 1 << 18  # weights that are looked at together


class BeyondPlan(Exception):
    """An update whose largest change, ``largest``, is beyond what the study's plan allows."""

    def __init__(self, largest: float) -> None:
        super().__init__(f"a change of {largest:g}")
        self.largest = largest


class Update(Protocol):
    """The change of every weight, in order."""

    def __len__(self) -> int: ...
    def slice(self, start: int, stop: int) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class ContributionMaker:
    """Makes one member's contributions to a study; ``storage`` is its outbox's.

    near: what they name (``Contribution.near``).
    """

    study: Study
    epoch: Epoch
    secret: EpochSecret
    storage: Storage
    near: Near = NEAR_TO_NOTHING
    fresh: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def make(
        self, update: Update, num_examples: int, opening: Posted[Opening]
    ) -> tuple[Draft, SlotWriter]:
        """The contribution to a round, and how its slots were written.

        Raises BadExamples, BadUpdate; BeyondPlan before anything is encrypted or stored.
        """
        said = opening.post.body
        suite, key = suite_of(said.suite, self.study), EncryptionKey.of(self.epoch)
        work = self.study.training
        if not 1 <= num_examples <= work.max_examples:
            raise BadExamples(num_examples, 1, work.max_examples)
        largest, hashed = _read(update, num_examples)
        if largest > work.clip:
            raise BeyondPlan(largest)
        context = opening.digest
        if suite.lattice is not None:
            context = lattice_context(self.epoch.digest, opening.digest)
        seed, slots = self._seed(context, hashed), suite.slots(said)
        writer = slots.writer(num_examples, largest, derive_key(seed, "rounding"))
        source = _Source(update, slots, writer)
        if suite.lattice is None:
            return self._packed(source, suite, seed, opening, key), writer
        return self._hybrid(source, suite.lattice, seed, context, opening, key), writer

    def make_statistic(self, plaintexts: Sequence[mpz], opening: Posted) -> Draft:
        """The contribution of numbers in [0, N) to a statistic round."""
        hashed = digest("quorate/statistic numbers", *map(number_bytes, plaintexts))
        stream = Stream(self._seed(opening.digest, hashed))
        return self._proved(plaintexts, stream, opening, EncryptionKey.of(self.epoch))

    def _packed(
        self, source: _Source, suite: Suite, seed: bytes, opening: Posted, key: EncryptionKey
    ) -> Draft:
        packing, writer = suite.packing(len(source.update)), source.writer
        if writer.fits:
            (values,) = source.values(len(source))
            plaintexts = pack(values, packing)
        else:
            stream = Stream.derive(seed, "blinding")
            plaintexts = blind(writer.head, len(source), packing, key.encryptor.n, stream)
        return self._proved(plaintexts, Stream(seed), opening, key)

    def _hybrid(
        self,
        source: _Source,
        lattice: Lattice,
        seed: bytes,
        context: bytes,
        opening: Posted,
        key: EncryptionKey,
    ) -> Draft:
        one_time, writer = OneTimeKey(lattice, derive_key(seed, "one-time key")), source.writer
        if writer.fits:
            values = enumerate(source.values(lattice.chunk_weights))
            chunks = (one_time.encrypt(k, part, context) for k, part in values)
        else:
            numbers, count = range(lattice.chunk_count(len(source))), len(source)
            chunks = (one_time.blind(k, writer.head, count, context) for k in numbers)
        names = tuple(store_blob(self.storage, chunk) for chunk in chunks)
        plaintexts = pack_key(one_time.secret, lattice, key.encryptor.n)
        return self._proved(plaintexts, Stream.derive(seed, "randomisers"), opening, key, names)

    def _proved(
        self,
        plaintexts: Sequence[mpz],
        stream: Stream,
        opening: Posted,
        key: EncryptionKey,
        vector: tuple[bytes, ...] = (),
    ) -> Draft:
        """The plaintexts encrypted, with the proof that this member knows them."""
        opened, session = encrypt_opened(plaintexts, key.encryptor, stream), opening.post.session
        place = key.epoch, session, self.secret.index, opening.digest
        context = proof_context(*place, vector, self.near)
        proof = prove_plaintexts(opened, key.encryptor, context, stream)
        encrypted = Encrypted(tuple(one.ciphertext for one in opened), proof)
        payload = write_ciphertexts(encrypted, key.encryptor.n)
        (attached,), blobs = public_payload(payload)
        body = Contribution(opening.digest, attached, vector, self.near)
        return Draft(session, body, tuple(blobs), vector)

    def _seed(self, context: bytes, hashed: bytes) -> bytes:
        return derive_key(self._device_secret, "contribution", self.fresh, context, hashed)

    @property
    def _device_secret(self) -> bytes:
        return derive_key(self.secret.sealing_seed, "device secret")


@dataclass(frozen=True, repr=False)
class _Source:
    """The slots of an update, the head first, written as they are read."""

    update: Update
    slots: Slots
    writer: SlotWriter

    def __len__(self) -> int:
        return self.slots.count

    def values(self, size: int) -> Iterator[NDArray[np.int64]]:
        """All slots, ``size`` at a time, which is more than the head has."""
        writer, head = self.writer, self.slots.head
        for start in range(0, len(self), size):
            entries = self.update.slice(max(0, start - head), min(start + size, len(self)) - head)
            values = writer.entries(entries)
            yield np.concatenate([writer.head, values]) if start == 0 else values


def _read(update: Update, num_examples: int) -> tuple[float, bytes]:
    """The largest change of an update, and SHA-256 of the number of examples and all changes."""
    largest, hashed = 0.0, hashlib.sha256(number_bytes(num_examples))
    for start in range(0, len(update), _SLICE):
        part = update.slice(start, min(start + _SLICE, len(update)))
        largest = max(largest, largest_change(part))
        hashed.update(part.astype("<f8", copy=False).tobytes())
    return largest, hashed.digest()
