"""Toy federations: keys, terms, a board in memory, and ceremonies driven to their end.

Everything but the seals is a function of the label, so a toy takes the same course every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyshare.ceremony.modulus import LEAST_KEY_BITS
from keyshare.key.threshold_key import JointKey, SecretShare
from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.post import Entry, Post, Posted, SignedPost, sign_post
from protocol.board.study import Study, StudyState
from protocol.ceremony.judgement import Verdict, judge
from protocol.ceremony.machine import Ceremony
from protocol.encoding import encode
from protocol.key.epoch import Epoch, EpochSecret
from protocol.messages.attachment import blob_name
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Certificate
from protocol.signing import public_bytes
from protocol.terms.address_card import AddressCard, sign_card
from protocol.terms.terms import Floors, Member, Terms, floor, render, render_signature, sign_terms
from tests.stage.studies import founding

CEREMONY = "ceremony/1"
Tamper = Callable[[int, Draft], Draft]


def number_secret(member: int) -> bytes:
    """By which a hospital knows numbers again that it has contributed, whatever its key share."""
    return seed_of("numbers", member)


def model_secret(member: int) -> bytes:
    """By which a hospital alone reads its samples of models that it has let go of."""
    return seed_of("samples of models", member)


def seed_of(*labels: object) -> bytes:
    """32 bytes that follow from the labels."""
    return hashlib.sha256("/".join(map(str, labels)).encode()).digest()


def next_post(
    key: Ed25519PrivateKey, board: Board, session: str, sender: int, body: Body, **changes: Any
) -> SignedPost:
    """A sender's next post on a board; ``changes`` falsifies fields of it before signing."""
    fields: dict[str, Any] = {
        "federation": board.terms.federation,
        "session": session,
        "sender": sender,
        "sequence": board.count(session, sender),
        "seen_position": board.head.position,
        "seen": board.head.hash,
        "body": body,
    }
    return sign_post(Post(**(fields | changes)), key)


@dataclass(frozen=True)
class Federation:
    """Terms and everybody's signing key; the aggregator's is number 0."""

    terms: Terms
    keys: tuple[Ed25519PrivateKey, ...] = field(repr=False)
    given: AddressCard | None = None

    @property
    def members(self) -> range:
        return range(1, self.terms.n_members + 1)

    @property
    def signatures(self) -> dict[str, bytes]:
        """Under the terms, by name."""
        return {self.terms.name_of(i): sign_terms(self.terms, self.keys[i]) for i in self.members}

    def signed_text(self, *without: int) -> str:
        """``federation.toml`` with the signatures of all members but some."""
        left_out = {self.terms.name_of(i) for i in without}
        blocks = [render_signature(*s) for s in self.signatures.items() if s[0] not in left_out]
        return render(self.terms, self.card) + "".join(blocks)

    def at(self, card: AddressCard) -> Federation:
        """The same with another aggregator, the one of this card."""
        return replace(self, terms=replace_terms(self.terms, aggregator_key=card.key), given=card)

    @property
    def card(self) -> AddressCard:
        """The aggregator's first."""
        return self.given or sign_card(self.keys[0], 1, "wss://localhost:8443", b"p" * 32)


def toy_federation(n: int = 5, quorum: int = 3, bits: int = 256, **changes: Any) -> Federation:
    """A federation of H1, …, Hn with keys made from their numbers."""
    keys = tuple(Ed25519PrivateKey.from_private_bytes(seed_of("toy", i)) for i in range(n + 1))
    terms = Terms(
        name="Toy",
        members=tuple(Member(f"H{i}", public_bytes(keys[i])) for i in range(1, n + 1)),
        quorum=quorum,
        key_bits=bits,
        allow_minority_quorum=2 * quorum <= n,
        allow_small_key=bits < LEAST_KEY_BITS,
        aggregator_key=public_bytes(keys[0]),
        floors=Floors(floor(n), floor(n), 1),
    )
    return Federation(replace_terms(terms, **changes), keys)


def replace_terms(terms: Terms, **changes: Any) -> Terms:
    """The terms with some fields changed."""
    return Terms(
        **{name: changes.get(name, getattr(terms, name)) for name in terms.__struct_fields__}
    )


class Table:
    """A board in memory, with its blobs, that everybody at the table sees."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.board = Board(federation.terms)
        self.blobs: dict[bytes, bytes] = {}
        self.entries: list[Entry] = []
        self.now_ms, self.tick_ms = 0, 0  # the aggregator's clock; how far it goes with each post

    def sign(self, session: str, sender: int, body: Body, **changes: Any) -> SignedPost:
        """A sender's next post; ``changes`` as for ``next_post``."""
        return next_post(self.federation.keys[sender], self.board, session, sender, body, **changes)

    def say(self, sender: int, draft: Draft) -> Posted:
        """Put a draft on the board."""
        for blob in draft.blobs:
            self.blobs[blob_name(blob)] = blob
        return self.put(self.sign(draft.session, sender, draft.body))

    def put(self, signed: SignedPost) -> Posted:
        """Put a signed post on the board."""
        entry = self.board.extend(signed, self.now_ms + self.tick_ms * (len(self.entries) + 1))
        posted = self.board.append(entry)
        self.entries.append(entry)
        return posted

    def found(self, study: Study, approving: Sequence[int] | None = None) -> StudyState:
        """Propose a study, and let all members or some approve it."""
        for sender, draft in founding(study, approving=approving):
            self.say(sender, draft)
        return self.board.studies[study.name]

    def payloads(self, posted: Posted, reader: int) -> dict[int, bytes]:
        """What a reader gets with an entry: payloads for all, and those sealed to it."""
        return {to: p for to, p in self.all_payloads(posted).items() if to in (0, reader)}

    def all_payloads(self, posted: Posted) -> dict[int, bytes]:
        """All payloads of an entry by recipient, as the board's store has them."""
        return {a.to: self.blobs[a.digest] if a.is_blob else a.data for a in posted.attachments}


class CeremonyTable(Table):
    """All members' ceremony machines at one table."""

    def __init__(self, federation: Federation, label: str = "toy") -> None:
        super().__init__(federation)
        self.seeds = {i: seed_of(label, "ceremony", i) for i in federation.members}
        self.machines = {i: self.machine(i) for i in federation.members}

    def machine(self, index: int) -> Ceremony:
        """A member's machine, fresh from its seed."""
        return Ceremony(self.federation.terms, index, CEREMONY, self.seeds[index])

    def feed(self, machine: Ceremony, posted: Posted) -> None:
        machine.receive(posted, self.payloads(posted, machine.index))

    def replayed(self, index: int, entries: int | None = None) -> Ceremony:
        """A member's machine after a restart: from its seed and the first entries."""
        machine = self.machine(index)
        for posted in self.board.entries[:entries]:
            self.feed(machine, posted)
        return machine

    def due(self) -> list[tuple[int, Draft]]:
        """What is due, by sender."""
        return [(i, draft) for i, m in self.machines.items() if (draft := m.due()) is not None]

    def publish(self, sender: int, draft: Draft) -> Posted:
        """Put a draft on the board and show it to all machines, if it counts."""
        posted = self.say(sender, draft)
        if not isinstance(posted.post.body, Surplus):
            self.show(posted)
        return posted

    def show(self, posted: Posted) -> None:
        """Show an entry to all machines."""
        for machine in self.machines.values():
            self.feed(machine, posted)

    def run(
        self,
        tamper: Tamper = lambda sender, draft: draft,
        order: Callable[[list[tuple[int, Draft]]], list[tuple[int, Draft]]] = lambda drafts: drafts,
    ) -> Self:
        """Let everybody speak, step by step, until nobody has anything due or all have failed."""
        while drafts := self.due():
            for sender, draft in order(drafts):
                self.publish(sender, tamper(sender, draft))
        return self

    def before_the_end(self) -> Self:
        """Let everybody speak until only the certificates are missing."""
        while not isinstance((due := self.due())[0][1].body, Certificate):
            for sender, draft in due:
                self.publish(sender, draft)
        return self

    @property
    def verdict(self) -> Verdict:
        """What the board shows after an abort."""
        return judge(
            self.federation.terms, CEREMONY, self.board.session(CEREMONY), self.all_payloads
        )

    @property
    def failures(self) -> dict[int, tuple[int, str] | None]:
        """Each member's failure, as (culprit, step)."""
        return {
            i: (m.failure.culprit, m.failure.step) if m.failure else None
            for i, m in self.machines.items()
        }


@dataclass(frozen=True)
class ToyEpoch:
    """A finished ceremony: the federation, what it made, and the table it was made at."""

    federation: Federation
    epoch: Epoch
    secrets: Mapping[int, EpochSecret]
    table: CeremonyTable

    @property
    def key(self) -> JointKey:
        return self.epoch.joint_key()

    def under(self, **changes: Any) -> ToyEpoch:
        """The same key under other terms."""
        terms = replace_terms(self.federation.terms, **changes)
        epoch = msgspec.structs.replace(self.epoch, federation=terms.federation)
        return replace(self, federation=replace(self.federation, terms=terms), epoch=epoch)

    @property
    def shares(self) -> dict[int, SecretShare]:
        return {i: secret.secret_share() for i, secret in self.secrets.items()}


def finished(table: CeremonyTable) -> ToyEpoch:
    """What a table's ceremony made; all members must hold the same key."""
    outcomes = {i: m.outcome for i, m in table.machines.items()}
    epochs = {encode(outcome[0]) for outcome in outcomes.values() if outcome}
    assert len(epochs) == 1, table.failures
    secrets = {i: outcome[1] for i, outcome in outcomes.items() if outcome}
    assert set(secrets) == set(table.federation.members)
    first = outcomes[1]
    assert first is not None
    return ToyEpoch(table.federation, first[0], secrets, table)


@lru_cache(maxsize=32)
def toy_epoch(n: int = 5, quorum: int = 3, bits: int = 256) -> ToyEpoch:
    """The toy federation's key, made by a ceremony once for all tests."""
    return finished(CeremonyTable(toy_federation(n, quorum, bits)).run())
