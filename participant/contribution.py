"""What a hospital sends in a round: its update, quantised, or its numbers; encrypted and proved.

Updates from one model are all halved as often as the first of them (keyshare/quantisation.py), or
the difference of two sums over the same members would show a part of a single update. One that
would have to be halved more often is not contributed.

An update is read slice by slice, for its largest change; then under a hybrid suite twice: once to
hash what is to be encrypted, once to encrypt it. The seed of the one-time key is

    H(device secret, 32 fresh bytes, context, SHA-256 of the slots: weight, tally, update)

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
from keyshare.key_packing import pack_key
from keyshare.keystream import Keystream
from keyshare.lattice import Lattice
from keyshare.one_time_key import OneTimeKey
from keyshare.packing import pack
from keyshare.plaintext_proof import encrypt_opened, prove
from keyshare.quantisation import largest_change
from keyshare.randomness import Stream, derive_key
from keyshare.slots import Slots, SlotWriter
from participant.outbox import Storage, store_blob
from protocol.board import Posted
from protocol.ciphertexts import (
    Encrypted,
    EncryptionKey,
    lattice_context,
    proof_context,
    write_ciphertexts,
)
from protocol.draft import Draft, public_payload
from protocol.epoch import Epoch, EpochSecret
from protocol.messages import Contribution, Opening, attach
from protocol.suite import Suite, suite_of
from protocol.terms import Terms

_SLICE = 1 << 18  # weights that are looked at together


class HalvedMore(Exception):
    """The update would have to be halved more often than the last one from the same model."""


class Update(Protocol):
    """The change of every weight, in order."""

    def __len__(self) -> int: ...
    def slice(self, start: int, stop: int) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class ContributionMaker:
    """Makes one member's contributions; ``storage`` is its outbox's."""

    terms: Terms
    epoch: Epoch
    secret: EpochSecret
    storage: Storage
    fresh: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def make(
        self,
        update: Update,
        num_examples: int,
        opening: Posted,
        halved_before: int | None = None,
    ) -> tuple[Draft, SlotWriter]:
        """The contribution to a round, and how its slots were written.

        halved_before: how often the last update from this model was halved, if there was one.
        Raises BadExamples, BadUpdate; HalvedMore before anything is encrypted or stored.
        """
        said = opening.post.body
        assert isinstance(said, Opening)
        suite = suite_of(said.suite, self.terms)
        dither = self._dither(opening.digest)
        least = halved_before or 0
        source = _Source(update, num_examples, suite.slots(said), dither, least)
        writer = source.writer()
        if halved_before is not None and writer.halvings > halved_before:
            raise HalvedMore
        key = EncryptionKey.of(self.epoch)
        make = self._packed if suite.lattice is None else self._hybrid
        body, payload, stored = make(source, suite, opening, key)
        _, blobs = public_payload(payload)
        return Draft(opening.post.session, body, tuple(blobs), stored), writer

    def make_statistic(self, plaintexts: Sequence[mpz], opening: Posted) -> Draft:
        """The contribution of numbers in [0, N) to a statistic round."""
        hashed = digest("quorate/statistic numbers", *map(number_bytes, plaintexts))
        stream = Stream(self._seed(opening.digest, hashed))
        body, payload = self._proved(plaintexts, stream, opening, EncryptionKey.of(self.epoch))
        _, blobs = public_payload(payload)
        return Draft(opening.post.session, body, tuple(blobs))

    def _packed(
        self, source: _Source, suite: Suite, opening: Posted, key: EncryptionKey
    ) -> tuple[Contribution, bytes, tuple[bytes, ...]]:
        (values,) = source.slots(len(source))
        seed = self._seed(opening.digest, hashlib.sha256(values.tobytes()).digest())
        plaintexts = pack(values, suite.packing(len(source.update)))
        return *self._proved(plaintexts, Stream(seed), opening, key), ()

    def _hybrid(
        self, source: _Source, suite: Suite, opening: Posted, key: EncryptionKey
    ) -> tuple[Contribution, bytes, tuple[bytes, ...]]:
        assert suite.lattice is not None
        context = lattice_context(self.epoch.digest, opening.digest)
        hashed = source.digest(suite.lattice.chunk_weights)
        seed = self._seed(context, hashed)
        one_time, names = self._vector(source, suite.lattice, seed, context)
        plaintexts = pack_key(one_time.secret, suite.lattice, key.encryptor.n)
        stream = Stream.derive(seed, "randomisers")
        return *self._proved(plaintexts, stream, opening, key, names), names

    def _proved(
        self,
        plaintexts: Sequence[mpz],
        stream: Stream,
        opening: Posted,
        key: EncryptionKey,
        vector: tuple[bytes, ...] = (),
    ) -> tuple[Contribution, bytes]:
        """The plaintexts encrypted, with the proof that this member knows them."""
        opened = encrypt_opened(plaintexts, key.encryptor, stream)
        unproved = Contribution(opening.digest, attach(b""), vector)
        context = proof_context(key.epoch, opening.post.session, self.secret.index, unproved)
        proof = prove(opened, key.encryptor, context, stream)
        encrypted = Encrypted(tuple(one.ciphertext for one in opened), proof)
        payload = write_ciphertexts(encrypted, key.encryptor.n)
        return Contribution(opening.digest, attach(payload), vector), payload

    def _vector(
        self, source: _Source, lattice: Lattice, seed: bytes, context: bytes
    ) -> tuple[OneTimeKey, tuple[bytes, ...]]:
        one_time = OneTimeKey(lattice, derive_key(seed, "one-time key"))
        names = [
            store_blob(self.storage, one_time.encrypt(chunk, values, context))
            for chunk, values in enumerate(source.slots(lattice.chunk_weights))
        ]
        return one_time, tuple(names)

    def _seed(self, context: bytes, hashed: bytes) -> bytes:
        return derive_key(self._device_secret, "contribution", self.fresh, context, hashed)

    def _dither(self, context: bytes) -> bytes | None:
        if not self.terms.stochastic_rounding:
            return None
        return derive_key(self._device_secret, "rounding", self.fresh, context)

    @property
    def _device_secret(self) -> bytes:
        return derive_key(self.secret.sealing_seed, "device secret")


class _Source:
    """The slots of an update, the head first; the same at every reading."""

    def __init__(
        self, update: Update, num_examples: int, slots: Slots, dither: bytes | None, least: int
    ) -> None:
        """least: how often the update is halved in any case."""
        self.update, self._num_examples, self._dither = update, num_examples, dither
        self._least = least
        self._slots, self._largest = slots, 0.0
        for start in range(0, len(update), _SLICE):
            part = update.slice(start, min(start + _SLICE, len(update)))
            self._largest = max(self._largest, largest_change(part))

    def __len__(self) -> int:
        return self._slots.count

    def writer(self) -> SlotWriter:
        """What writes the slots from the first one on."""
        dither = Keystream(self._dither, "rounding") if self._dither else None
        return self._slots.writer(self._num_examples, self._largest, dither, self._least)

    def slots(self, size: int) -> Iterator[NDArray[np.int64]]:
        """All slots, ``size`` at a time, which is more than the head has."""
        writer, head = self.writer(), self._slots.head
        for start in range(0, len(self), size):
            entries = self.update.slice(max(0, start - head), min(start + size, len(self)) - head)
            values = writer.entries(entries)
            yield np.concatenate([writer.head, values]) if start == 0 else values

    def digest(self, size: int) -> bytes:
        """SHA-256 of all slots, 4 bytes each."""
        hashed = hashlib.sha256()
        for values in self.slots(size):
            hashed.update(values.astype("<u4").tobytes())
        return hashed.digest()
