"""A toy round under the hybrid suite: five members, one block each, and their sum."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import numpy as np

from keyshare.hybrid.checksum import Checksum, write_checksum
from keyshare.hybrid.key_packing import pack_key
from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, add_chunk, read_words, write_sum
from keyshare.proofs.plaintext_proof import encrypt_opened, prove
from keyshare.randomness import Stream
from protocol.board.board import Posted
from protocol.board.draft import Draft
from protocol.board.messages import Closing, Contribution, Contributor, Opening, attach, blob_name
from protocol.board.suite import suite_of
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    lattice_context,
    proof_context,
    write_ciphertexts,
)
from protocol.rounds.vector_checks import checksum_key
from tests.stage.rounds import toy_round
from tests.stage.toy import ToyEpoch, replace_terms, seed_of, toy_epoch

LENGTH = 40


@lru_cache(maxsize=1)
def hybrid_toy() -> ToyEpoch:
    """The toy epoch under terms that ask for the hybrid suite."""
    toy = toy_epoch(5, 3)
    federation = dataclasses.replace(
        toy.federation, terms=replace_terms(toy.federation.terms, suite="hybrid")
    )
    epoch = msgspec.structs.replace(toy.epoch, federation=federation.terms.federation)
    return dataclasses.replace(toy, federation=federation, epoch=epoch)


@dataclass(frozen=True)
class Made:
    """One member's contribution, and what is inside."""

    body: Contribution
    payload: bytes
    chunk: bytes
    values: np.ndarray
    encrypted: Encrypted


@dataclass
class HybridRound(toy_round.Round):
    """A round at a table where contributions have a vector of one chunk."""

    toy: ToyEpoch = field(default_factory=hybrid_toy)
    made: dict[int, Made] = field(default_factory=dict)

    @property
    def suite(self):
        return suite_of("hybrid", self.toy.federation.terms)

    @property
    def lattice(self) -> Lattice:
        lattice = self.suite.lattice
        assert lattice is not None
        return lattice

    @property
    def opened(self) -> Posted:
        posted = self.members[1].view.opening
        assert posted is not None
        return posted

    def begin(self) -> Posted:
        """The opening that is due."""
        return self.open(epoch=self.toy.epoch.digest, suite="hybrid", length=LENGTH)

    def make(self, index: int, poster: int | None = None) -> Made:
        """An honest contribution of a member, proved for ``poster`` (itself unless told)."""
        opening = self.opened.post.body
        assert isinstance(opening, Opening)
        values = toy_round.slots_of(index, self.suite.slots(opening))
        lattice = self.suite.lattice
        assert lattice is not None
        seed = seed_of("hybrid round", index)
        one_time = OneTimeKey(lattice, seed)
        context = lattice_context(self.toy.epoch.digest, self.opened.digest)
        chunk = one_time.encrypt(0, values, context)
        key = EncryptionKey.of(self.toy.epoch)
        stream = Stream(seed)
        plaintexts = pack_key(one_time.secret, lattice, key.encryptor.n)
        opened = encrypt_opened(plaintexts, key.encryptor, stream)
        bound_to = proof_context(
            key.epoch, self.session, poster or index, self.opened.digest, (blob_name(chunk),)
        )
        proof = prove(opened, key.encryptor, bound_to, stream)
        encrypted = Encrypted(tuple(o.ciphertext for o in opened), proof)
        payload = write_ciphertexts(encrypted, key.encryptor.n)
        body = Contribution(self.opened.digest, attach(payload), (blob_name(chunk),))
        return Made(body, payload, chunk, values, encrypted)

    def due(self, index: int) -> Draft | None:
        """As a task that reads its own vector when the lock waits for the checksum."""
        member, draft = self.members[index], super().due(index)
        if draft is None and member.owes_checksum:
            member.checksum = write_checksum(self.checksum(index))
            return super().due(index)
        return draft

    def checksum(self, index: int) -> int:
        """That of a member's vector, under the key of the chosen set."""
        chosen = self.members[1].view.chosen(self.toy.federation.terms.federation)
        assert chosen is not None
        found = Checksum(checksum_key(chosen))
        found.add(0, read_words(self.made[index].chunk, self.lattice.contribution_bytes))
        return found.value

    def give(self, sender: int, made: Made | None = None) -> Posted:
        """A member contributes what is given, or what it should."""
        made = made or self.make(sender)
        self.made[sender] = made
        return self.publish(sender, made.body, (made.payload, made.chunk))

    def finish(self, **changes: object) -> Posted:
        """The closing of an honest aggregator, with fields changed."""
        lattice = self.lattice
        members = sorted(self.made)
        total = None
        for i in members:
            total = add_chunk(total, self.made[i].chunk, lattice)
        assert total is not None
        chunk, n = write_sum(total, lattice), self.toy.key.n
        payload = write_ciphertexts(add_encrypted([self.made[i].encrypted for i in members], n), n)
        contributions = self.members[1].view.contributions
        chosen = tuple(Contributor(i, contributions[i].digest) for i in members)
        fields = {
            "contributors": chosen, "total": attach(payload), "vector": (blob_name(chunk),),
        } | changes  # fmt: skip
        return self.publish(0, Closing(**fields), (payload, chunk))  # type: ignore[arg-type]
