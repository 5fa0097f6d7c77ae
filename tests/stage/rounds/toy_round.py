"""A toy round: five members with a key listen at one table to what is contributed and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from gmpy2 import mpz

from keyshare.key.encryption import Encryptor
from keyshare.proofs.plaintext_proof import Opened, encrypt_opened, prove
from keyshare.randomness import Stream
from keyshare.rounds.packing import pack
from keyshare.rounds.slots import Slots
from protocol.board.board import Posted
from protocol.board.draft import Draft
from protocol.board.messages import (
    Attachment,
    Ciphertexts,
    Closing,
    Contribution,
    Contributor,
    Opening,
    Request,
    attach,
)
from protocol.board.suite import suite_of
from protocol.encoding import width_of
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    proof_context,
    write_ciphertexts,
)
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.statistic import opening_for
from protocol.rounds.view import RoundView
from tests.stage.rounds.whole_update import quantise
from tests.stage.toy import Table, ToyEpoch, seed_of, toy_epoch

TOY = toy_epoch(5, 3)
KEY, TERMS, EPOCH = TOY.key, TOY.federation.terms, TOY.epoch
LENGTH = 40
SQUARE = KEY.n**2


class Ledger:
    """A ledger of chosen sets in memory."""

    def __init__(self) -> None:
        self.chosen: dict[str, bytes] = {}

    def choose(self, session: str, chosen: bytes) -> bool:
        return self.chosen.setdefault(session, chosen) == chosen


OPENED: dict[mpz, Opened] = {}  # what ``training`` has encrypted, by ciphertext


@lru_cache(maxsize=1)
def encryptor() -> Encryptor:
    return EncryptionKey.of(EPOCH).encryptor


def update_of(index: int) -> np.ndarray:
    """A hospital's update, within the clip of 8."""
    return np.sin(np.arange(LENGTH) * index) * index * 1.5


def examples_of(index: int) -> int:
    return 100 * index + 7


def opening_of_training(length: int = LENGTH) -> Opening:
    """The first round's, as bounded by the terms."""
    bounds = TERMS.clip, TERMS.max_examples
    return Opening("training", EPOCH.digest, bytes(32), length, "paillier", *bounds)


def slots_of(index: int, slots: Slots) -> np.ndarray:
    """A hospital's update as it contributes it, always rounded alike."""
    return quantise(update_of(index), examples_of(index), slots, seed_of("rounding", index))


@lru_cache(maxsize=16)
def training(index: int, label: str = "round") -> Encrypted:
    """A hospital's update, quantised, packed and encrypted; proved when it is contributed."""
    suite = suite_of("paillier", TERMS)
    values = slots_of(index, suite.slots(opening_of_training()))
    return known(pack(values, suite.packing(LENGTH)), label, index)


def known(plaintexts: Sequence[mpz], *label: object) -> Encrypted:
    """Plaintexts encrypted; proved when they are contributed."""
    stream = Stream.derive(seed_of(*label), "randomisers")
    opened = encrypt_opened(plaintexts, encryptor(), stream)
    OPENED.update({one.ciphertext: one for one in opened})
    return Encrypted(tuple(one.ciphertext for one in opened))


def numbers(index: int, *values: int) -> Encrypted:
    """A hospital's whole numbers for a statistic, encrypted; proved when they are contributed."""
    return known([mpz(value) % KEY.n for value in values], "numbers", index, *values)


@dataclass
class Round(Table):
    """A round at a table where all members listen."""

    session: str = "round/1"
    kind: str = "training"
    length: int = LENGTH
    toy: ToyEpoch = TOY
    members: dict[int, RoundMember] = field(default_factory=dict)
    ledgers: dict[int, Ledger] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.toy.federation)
        for i in self.toy.federation.members:
            self.ledgers[i] = Ledger()
            self.members[i] = self.member(i)

    def member(self, index: int) -> RoundMember:
        found = RoundMember(
            RoundView(self.session),
            self.toy.federation.terms,
            self.toy.epoch,
            self.toy.secrets[index],
            OpenedSets(self.toy.federation.terms, self.board.entries),
        )
        found.consent = True
        return found

    def publish(self, sender: int, body: Any, blobs: tuple[bytes, ...] = ()) -> Posted:
        posted = self.say(sender, Draft(self.session, body, blobs))
        for i, member in self.members.items():
            member.receive(posted, self.payloads(posted, i))
        return posted

    def open(self, **changes: Any) -> Posted:
        if self.kind == "statistic":
            asked = {k: changes.pop(k) for k in ("decimals", "labels") if k in changes}
            request = Request(changes.get("length", self.length), **asked)
            self.publish(1, request)
            said = opening_for(request, EPOCH.digest)
            changes = {"decimals": said.decimals, "labels": said.labels} | changes
        bounds = {"clip": TERMS.clip, "max_examples": TERMS.max_examples}
        fields: dict[str, Any] = {"kind": self.kind, "epoch": EPOCH.digest, "model": bytes(32)}
        fields |= bounds if self.kind == "training" else {}
        return self.publish(0, Opening(**(fields | {"length": self.length} | changes)))

    def contribute(self, sender: int, encrypted: Encrypted, opening: bytes | None = None) -> Posted:
        """What is given, with a proof where this module knows what is inside."""
        payload = write_ciphertexts(self.proved(sender, encrypted), KEY.n)
        return self.contribute_payload(sender, attach(payload), opening, (payload,))

    def proved(self, sender: int, encrypted: Encrypted, prover: int | None = None) -> Encrypted:
        """A contribution with the proof of ``prover``, who is the sender unless told."""
        opening, values = self.members[1].view.opening, encrypted.values
        knows = bool(values) and all(value in OPENED for value in values)
        if encrypted.proof or opening is None or not knows:
            return encrypted
        context = proof_context(EPOCH.digest, self.session, prover or sender, opening.digest)
        stream = Stream(seed_of("proof", sender))
        proof = prove([OPENED[value] for value in values], encryptor(), context, stream)
        return Encrypted(values, proof)

    def contribute_payload(
        self,
        sender: int,
        attachment: Attachment,
        opening: bytes | None = None,
        blobs: tuple[bytes, ...] = (),
    ) -> Posted:
        view = self.members[1].view
        assert view.opening
        return self.publish(sender, Contribution(opening or view.opening.digest, attachment), blobs)

    def close(
        self,
        contributors: list[tuple[int, bytes]] | None = None,
        total: Encrypted | None = None,
    ) -> Posted:
        """The closing of an honest aggregator, with what is given put in its place."""
        contributions = self.members[1].view.contributions
        if contributors is None:
            contributors = [(i, contributions[i].digest) for i in sorted(contributions)]
        if total is None:
            known = [i for i, _ in contributors if i in contributions]
            total = add_encrypted([self.read(i) for i in known], KEY.n)
        payload = write_ciphertexts(total, KEY.n)
        chosen = tuple(Contributor(i, digest) for i, digest in contributors)
        return self.publish(0, Closing(chosen, attach(payload)), (payload,))

    def read(self, member: int) -> Encrypted:
        """A member's contribution, taken at its word."""
        payload = self.payloads(self.members[1].view.contributions[member], 0)[0]
        found = msgspec.msgpack.decode(payload, type=Ciphertexts)
        width = width_of(SQUARE)
        numbers = [found.numbers[k : k + width] for k in range(0, len(found.numbers), width)]
        return Encrypted(tuple(mpz(int.from_bytes(d, "big")) for d in numbers))

    def due(self, index: int) -> Draft | None:
        return self.members[index].due(self.ledgers[index])

    def settle(
        self,
        who: tuple[int, ...] = (1, 2, 3, 4, 5),
        tamper: Callable[[int, Draft], Draft] = lambda sender, draft: draft,
    ) -> None:
        """Let members speak until none of them has anything to say."""
        spoke, turns = True, 0
        while spoke:
            spoke, turns = False, turns + 1
            assert turns < 20, "somebody never comes to an end"
            for i in who:
                if draft := self.due(i):
                    draft = tamper(i, draft)
                    self.publish(i, draft.body, draft.blobs)
                    spoke = True

    @property
    def refusals(self) -> set[tuple[str, int]]:
        """Rule and member of what each member refused."""
        found = self.members[1].view.refusals
        return {(refusal.rule, refusal.member) for refusal in found.values()}


def contributed(contributors: tuple[int, ...] = (1, 2, 4)) -> Round:
    """An open training round with honest contributions."""
    found = Round()
    found.open()
    for i in contributors:
        found.contribute(i, training(i))
    return found
