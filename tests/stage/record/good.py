"""The record of a federation in which much happens and all that goes wrong is dealt with.

Four hospitals. In the first ceremony one opens what it did not commit to, so it is aborted; the
second makes a key, and all check their shares. Round 1 is under packed Paillier, and H4's part of
it is wrong; round 2 is under the hybrid suite; one statistic is opened; another the aggregator
closes with too few contributors, and all refuse; round 3 is as it should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
import numpy as np
from gmpy2 import mpz

from keyshare.hybrid.checksum import Checksum, write_checksum
from keyshare.hybrid.key_packing import pack_key
from keyshare.hybrid.one_time_key import OneTimeKey, add_chunk, read_words, write_sum
from keyshare.proofs.plaintext_proof import encrypt_opened, prove
from keyshare.randomness import Stream
from keyshare.rounds.packing import pack
from protocol.board.board import Posted
from protocol.board.draft import Draft, public_payload
from protocol.board.messages import (
    Closing,
    Contribution,
    Contributor,
    Opening,
    Partial,
    Request,
    Statement,
    Step,
    attach,
)
from protocol.board.suite import suite_of
from protocol.ceremony.machine import Ceremony
from protocol.encoding import digest, encode, pack_numbers, unpack_numbers, width_of
from protocol.key.check import KeyCheck
from protocol.key.epoch import Epoch, EpochSecret
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    lattice_context,
    proof_context,
    write_ciphertexts,
)
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.partial_payload import LockedSum, Parts
from protocol.rounds.statistic import opening_for
from protocol.rounds.vector_checks import checksum_key
from protocol.rounds.view import RoundView
from tests.stage.record.story import Stage, Story
from tests.stage.rounds.proved import payload_of, proved
from tests.stage.rounds.whole_update import quantise
from tests.stage.toy import Federation, seed_of, toy_federation

MEMBERS, QUORUM = (1, 2, 3, 4), 3
LIAR = 2  # of the first ceremony
BOUNDS = 8.0, 1_000  # of every round
PACKED, HYBRID = 40, 2_000  # lengths of vectors that go under the one and the other suite


def federation() -> Federation:
    """Four hospitals; the suite follows from the length."""
    return toy_federation(len(MEMBERS), QUORUM, suite="auto")


@dataclass
class Good:
    """The story, and the secrets with which it can be told otherwise."""

    story: Story
    epoch: Epoch
    secrets: Mapping[int, EpochSecret]
    seeds: Mapping[int, bytes]


@cache
def good() -> Good:
    """The story; made once."""
    stage = Stage(federation())
    run_ceremony(stage, "ceremony/1", break_commitment)
    machines, seeds = run_ceremony(stage, "ceremony/2")
    outcomes = {i: machine.outcome for i, machine in machines.items()}
    made = {i: outcome for i, outcome in outcomes.items() if outcome is not None}
    epoch, secrets = made[1][0], {i: secret for i, (_, secret) in made.items()}
    rounds = Rounds(stage, epoch, secrets)
    rounds.check_keys("check/1")
    rounds.state("round/0", bytes([1]) * 32, PACKED)
    rounds.training("round/1", PACKED, next_length=HYBRID, wrong=4)
    rounds.training("round/2", HYBRID, next_length=PACKED)
    rounds.statistic("statistic/ages", MEMBERS[:3])
    rounds.statistic("statistic/few", MEMBERS[:2])
    rounds.training("round/3", PACKED, next_length=PACKED)
    story = Story(stage.federation, stage.said, stage.blobs, MEMBERS)
    return Good(story, epoch, secrets, seeds)


def once_more(made: Good, remembering: bool) -> Story:
    """The story, and a fourth round from the model of the third, to which H4 does not contribute.

    Members that are ``remembering`` refuse to open it: less the third sum, it is H4's update.
    """
    stage = Stage(made.story.federation)
    stage.blobs |= made.story.blobs
    for one in made.story.said:
        stage.say(one.sender, Draft(one.session, one.body))
    rounds = Rounds(stage, made.epoch, made.secrets, remembering)
    opening = made.story.at(made.story.find("round/3", Opening)).body
    assert isinstance(opening, Opening)
    rounds.state("round/3", opening.model, opening.length)
    rounds.training("round/4", PACKED, PACKED, contributing=MEMBERS[:3])
    return Story(stage.federation, stage.said, stage.blobs, MEMBERS)


def run_ceremony(
    stage: Stage, session: str, tamper: Any = lambda sender, draft: draft
) -> tuple[dict[int, Ceremony], dict[int, bytes]]:
    """Let all machines speak until they have nothing to say."""
    seeds = {i: seed_of("record", session, i) for i in MEMBERS}
    machines = {i: Ceremony(stage.federation.terms, i, session, seeds[i]) for i in MEMBERS}
    while drafts := [(i, d) for i, m in machines.items() if (d := m.due())]:
        for sender, draft in drafts:
            posted = stage.say(sender, tamper(sender, draft))
            for i, machine in machines.items():
                machine.receive(posted, stage.payloads(posted, i))
    return machines, seeds


def break_commitment(sender: int, draft: Draft) -> Draft:
    """The liar opens other shares of N than it committed to."""
    body = draft.body
    if sender != LIAR or not isinstance(body, Step) or body.step != "moduli":
        return draft
    (payload,) = draft.blobs or (body.attachments[0].data,)
    (attachment,), blobs = public_payload(payload[:-1] + bytes([payload[-1] ^ 1]))
    changed = msgspec.structs.replace(body, attachments=(attachment,))
    return Draft(draft.session, changed, tuple(blobs))


class Ledger:
    """A ledger of chosen sets in memory."""

    def __init__(self) -> None:
        self.chosen: dict[str, bytes] = {}

    def choose(self, session: str, chosen: bytes) -> bool:
        return self.chosen.setdefault(session, chosen) == chosen


@dataclass(frozen=True)
class WrongSum(LockedSum):
    """Makes parts that are not those of the share, with the proof for the right ones."""

    def proved(self, parts: list[mpz], secret: EpochSecret, fresh: bytes) -> Parts:
        honest = super().proved(parts, secret, fresh)
        square = self.key.n**2
        numbers = unpack_numbers(honest.numbers, width_of(square), len(parts), square, "parts")
        numbers[0] = numbers[0] * (1 + self.key.n) % square
        return msgspec.structs.replace(honest, numbers=pack_numbers(numbers, width_of(square)))


@dataclass
class Rounds:
    """Rounds on a stage, with the members' own machines."""

    stage: Stage
    epoch: Epoch
    secrets: Mapping[int, EpochSecret]
    remembering: bool = True  # whether members look at other rounds' sets
    model: Statement = field(default_factory=lambda: Statement(bytes(32), PACKED, *BOUNDS))

    def state(self, session: str, result: bytes, length: int) -> None:
        """All state one result."""
        self.model = Statement(result, length, *BOUNDS)
        for i in MEMBERS:
            self.stage.say(i, Draft(session, self.model))

    def training(
        self,
        session: str,
        length: int,
        next_length: int,
        wrong: int = 0,
        contributing: tuple[int, ...] = MEMBERS,
    ) -> None:
        """A round of training; ``wrong`` sends a wrong part."""
        terms, opened = self.stage.federation.terms, self.model
        assert opened.length == length
        suite, bounds = (
            "hybrid" if length == HYBRID else "paillier",
            (opened.clip, opened.max_examples),
        )
        body = Opening("training", self.epoch.digest, opened.result, length, suite, *bounds)  # type: ignore[arg-type]
        members = self._members(session)
        opening = self.stage.say(0, Draft(session, body))
        made = {i: make_training(i, self.epoch, opening, terms) for i in contributing}
        for i, one in made.items():
            self.stage.say(i, Draft(session, one.body, one.blobs))
        self._close(session, {i: one.encrypted for i, one in made.items()}, made)
        self._settle(members, wrong)
        if (plaintexts := members[1].plaintexts) is None:
            return
        result = digest("toy result", encode([str(m) for m in plaintexts]))
        self.state(session, result, next_length)

    def statistic(self, session: str, contributing: tuple[int, ...]) -> None:
        """A statistic of two numbers."""
        members = self._members(session)
        asked = Request(2, 1, ("visits", "days"))
        self.stage.say(1, Draft(session, asked))
        opening = self.stage.say(0, Draft(session, opening_for(asked, self.epoch.digest)))
        made = dict[int, Encrypted]()
        for i in contributing:
            plaintexts = [mpz(10 * i + k) for k in range(2)]
            made[i] = proved(plaintexts, i, session, opening.digest, self.epoch)
            (attachment,), blobs = public_payload(payload_of(made[i], self.epoch))
            contribution = Contribution(opening.digest, attachment)
            self.stage.say(i, Draft(session, contribution, tuple(blobs)))
        self._close(session, made, {})
        self._settle(members, wrong=0)
        if (plaintexts := members[1].plaintexts) is not None:  # type: ignore[assignment]
            result = members[1].view.chosen(self.stage.federation.terms.federation)
            assert result is not None
            for i in MEMBERS:
                self.stage.say(i, Draft(session, Statement(result, 2)))

    def _members(self, session: str) -> dict[int, RoundMember]:
        terms = self.stage.federation.terms
        members = {
            i: RoundMember(RoundView(session), terms, self.epoch, self.secrets[i], self._history())
            for i in MEMBERS
        }
        for member in members.values():
            member.consent = True

        def listen(posted: Posted) -> None:
            for i, member in members.items():
                if posted.post.session == session:
                    member.receive(posted, self.stage.payloads(posted, i))

        self.stage.listeners.append(listen)
        return members

    def _history(self) -> OpenedSets:
        entries = self.stage.board.entries if self.remembering else ()
        return OpenedSets(self.stage.federation.terms, entries)

    def _close(
        self, session: str, made: Mapping[int, Encrypted], vectors: Mapping[int, Any]
    ) -> None:
        n = self.epoch.joint_key().n
        payload = write_ciphertexts(add_encrypted(list(made.values()), n), n)
        contributions = {
            p.post.sender: p.digest
            for p in self.stage.board.session(session)
            if isinstance(p.post.body, Contribution)
        }
        chosen = tuple(Contributor(i, contributions[i]) for i in sorted(contributions))
        vector = _summed([one.chunk for one in vectors.values()], self.stage.federation)
        body = Closing(chosen, attach(payload), tuple(attach(chunk).digest for chunk in vector))
        self.stage.say(0, Draft(session, body, (payload, *vector)))

    def _settle(self, members: Mapping[int, RoundMember], wrong: int) -> None:
        ledgers = {i: Ledger() for i in members}
        self._checksum(members)
        while drafts := [(i, d) for i, m in members.items() if (d := m.due(ledgers[i]))]:
            for i, draft in drafts:
                if members[i].due(ledgers[i]) is None:
                    continue  # what another said has settled it
                if i == wrong and isinstance(draft.body, Partial):
                    self.stage.say(i, self._wrong(members[i], draft))
                else:
                    self.stage.say(i, draft)

    def _checksum(self, members: Mapping[int, RoundMember]) -> None:
        """Let contributors of vectors read their own, as their locks ask for it."""
        lattice = suite_of("hybrid", self.stage.federation.terms).lattice
        assert lattice is not None
        for member in members.values():
            assert member.due(Ledger()) is None or not member.owes_checksum
            if not member.owes_checksum:
                continue
            chosen = member.view.chosen(self.stage.federation.terms.federation)
            body = member.view.contributions[member.index].post.body
            assert isinstance(body, Contribution)
            assert chosen is not None
            found = Checksum(checksum_key(chosen))
            for k, name in enumerate(body.vector):
                found.add(k, read_words(self.stage.blobs[name], lattice.contribution_bytes))
            member.checksum = write_checksum(found.value)

    def check_keys(self, session: str) -> None:
        """All make sure of their shares together."""
        checks = {
            i: KeyCheck(
                session,
                self.epoch,
                self.secrets[i],
                seed_of(session, i),
                Stream(seed_of("proof", i)),
            )
            for i in MEMBERS
        }
        while drafts := [(i, d) for i, check in checks.items() if (d := check.due())]:
            for i, draft in drafts:
                if checks[i].due() is not None:
                    posted = self.stage.say(i, draft)
                    for j, check in checks.items():
                        check.receive(posted, self.stage.payloads(posted, j))

    def _wrong(self, member: RoundMember, draft: Draft) -> Draft:
        locked = member._locked
        assert locked is not None
        place = locked.epoch, locked.session, locked.chosen
        body, blobs = WrongSum(*place, locked.ciphertexts, locked.key).make(
            self.secrets[member.index]
        )
        return Draft(draft.session, body, blobs)


@dataclass(frozen=True)
class Made:
    """A contribution to training, and what is in it."""

    body: Contribution
    blobs: tuple[bytes, ...]
    encrypted: Encrypted
    chunk: bytes


def make_training(
    index: int, epoch: Epoch, opening: Posted, terms: Any, poster: int | None = None
) -> Made:
    """A member's contribution, as it makes it; proved for another ``poster`` if told."""
    asked = opening.post.body
    assert isinstance(asked, Opening)
    suite, key = suite_of(asked.suite, terms), EncryptionKey.of(epoch)
    update = np.sin(np.arange(asked.length) * index) * index
    seed, chunk = seed_of(opening.post.session, index), b""
    values = quantise(update, 100 * index, suite.slots(asked), seed)
    if suite.lattice is None:
        plaintexts = pack(values, suite.packing(asked.length))
    else:
        one_time = OneTimeKey(suite.lattice, seed)
        chunk = one_time.encrypt(0, values, lattice_context(epoch.digest, opening.digest))
        plaintexts = pack_key(one_time.secret, suite.lattice, key.encryptor.n)
    stream = Stream(seed)
    opened = encrypt_opened(plaintexts, key.encryptor, stream)
    vector = (attach(chunk).digest,) if chunk else ()
    session, prover = opening.post.session, poster or index
    bound_to = proof_context(key.epoch, session, prover, opening.digest, vector)
    proof = prove(opened, key.encryptor, bound_to, stream)
    encrypted = Encrypted(tuple(one.ciphertext for one in opened), proof)
    payload = write_ciphertexts(encrypted, key.encryptor.n)
    body = Contribution(opening.digest, attach(payload), vector)
    return Made(body, (payload, chunk) if chunk else (payload,), encrypted, chunk)


def _summed(chunks: list[bytes], federation: Federation) -> tuple[bytes, ...]:
    lattice = suite_of("hybrid", federation.terms).lattice
    assert lattice is not None
    total: Any = None
    for chunk in filter(None, chunks):
        total = add_chunk(total, chunk, lattice)
    return () if total is None else (write_sum(total, lattice),)
