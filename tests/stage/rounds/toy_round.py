"""A toy round: five members with a key listen at one table to what is contributed and closed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from gmpy2 import mpz

from keyshare.hybrid.checksum import write_checksum
from keyshare.proofs.plaintext_proof import Opened
from keyshare.rounds.packing import pack
from keyshare.rounds.slots import Slots
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.board.study import Study, StudyState
from protocol.board.suite import Suite, suite_of
from protocol.messages.attachment import Attachment, attach
from protocol.messages.plan import Approval, Ending, Plan, Withdrawal
from protocol.messages.rounds import Contribution, Opening
from protocol.messages.session import read_session, round_session
from protocol.rounds.ciphertexts import Encrypted
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.view import RoundView
from tests.stage.rounds import contribution
from tests.stage.rounds.aggregator import AggregatorTable
from tests.stage.rounds.contribution import Made, payload_of
from tests.stage.rounds.rings import ring_in
from tests.stage.rounds.whole_update import quantise
from tests.stage.studies import SESSION, STATISTIC, statistic_plan, training_plan, training_study
from tests.stage.toy import Table, ToyEpoch, seed_of, toy_epoch

TOY = toy_epoch(5, 3)
KEY, TERMS, EPOCH = TOY.key, TOY.federation.terms, TOY.epoch
TRAINING = training_study(TERMS)
LENGTH = 40
SQUARE = KEY.n**2
OPENED: dict[mpz, Opened] = {}  # what ``known`` has encrypted, by ciphertext


class Ledger:
    """A ledger of chosen sets in memory."""

    def __init__(self) -> None:
        self.chosen: dict[str, bytes] = {}

    def choose(self, session: str, chosen: bytes) -> bool:
        return self.chosen.setdefault(session, chosen) == chosen


def update_of(index: int) -> np.ndarray:
    """A hospital's update, within the clip of 8."""
    return np.sin(np.arange(LENGTH) * index) * index * 1.5


def examples_of(index: int) -> int:
    return 100 * index + 7


def opening_of_training(length: int = LENGTH) -> Opening:
    """The first round's, as bounded by the plan."""
    bounds = TRAINING.training.clip, TRAINING.training.max_examples
    return Opening(TRAINING.digest, EPOCH.digest, bytes(32), length, "paillier", *bounds)


def slots_of(index: int, slots: Slots) -> np.ndarray:
    """A hospital's update as it contributes it, always rounded alike."""
    update = np.resize(update_of(index), slots.length)
    return quantise(update, examples_of(index), slots, seed_of("rounding", index))


@lru_cache(maxsize=16)
def training(index: int, label: str = "round") -> Encrypted:
    """A hospital's update, quantised, packed and encrypted; proved when it is contributed."""
    suite = suite_of("paillier", TRAINING)
    values = slots_of(index, suite.slots(opening_of_training()))
    return known(pack(values, suite.packing(LENGTH)), label, index)


def known(plaintexts: Sequence[mpz], *label: object) -> Encrypted:
    """Plaintexts encrypted; proved when they are contributed."""
    opened = contribution.encrypt(plaintexts, EPOCH, *label)
    OPENED.update({one.ciphertext: one for one in opened})
    return Encrypted(tuple(one.ciphertext for one in opened))


def numbers(index: int, *values: int) -> Encrypted:
    """A hospital's whole numbers for a statistic, encrypted; proved when they are contributed."""
    return known([mpz(value) for value in values], "numbers", index, *values)


@dataclass
class Round(AggregatorTable):
    """A round at a table where all members listen.

    plan: of its study, which all approve, or these, unless it is on the board; one that trains
    unless told.
    at: another table, if it is played there. remembers: whether members look at other rounds.
    """

    session: str = SESSION
    length: int = LENGTH
    toy: ToyEpoch = TOY
    plan: Plan | None = None
    approving: Sequence[int] | None = None
    at: Table | None = None
    remembers: bool = True
    members: dict[int, RoundMember] = field(default_factory=dict)
    ledgers: dict[int, Ledger] = field(default_factory=dict)
    made: dict[int, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.toy, self.at)
        if (name := read_session(self.session).study) not in self.board.studies:
            study = Study(self.terms, name, self.plan or training_plan(self.terms))
            self.found(study, self.approving)
        for i in self.toy.federation.members:
            self.ledgers[i] = Ledger()
            self.members[i] = self.member(i)

    def member(self, index: int) -> RoundMember:
        found = RoundMember(
            RoundView(self.session),
            self.state,
            ring_in(self.toy, index),
            OpenedSets.of(self.board) if self.remembers else OpenedSets(self.terms),
        )
        found.consent = True
        return found

    @property
    def state(self) -> StudyState:
        return self.state_of(self.session)

    @property
    def study(self) -> Study:
        return self.state.study

    @property
    def view(self) -> RoundView:
        return self.members[1].view

    @property
    def opened(self) -> Posted:
        assert self.view.opening is not None
        return self.view.opening

    @property
    def asked(self) -> Opening:
        """What the opening says."""
        assert self.view.terms_of_opening is not None
        return self.view.terms_of_opening

    @property
    def chosen(self) -> bytes:
        """The name of the closed set."""
        return self.chosen_in(self.session)

    @property
    def suite(self) -> Suite:
        return suite_of(self.asked.suite, self.study)

    def spread(self, sender: int, draft: Draft) -> Posted:
        posted = self.say(sender, draft)
        for i, member in self.members.items():
            member.receive(posted, self.payloads(posted, i))
        return posted

    def publish(self, sender: int, body: Any, blobs: tuple[bytes, ...] = ()) -> Posted:
        return self.spread(sender, Draft(self.session, body, blobs))

    def open(self, **changes: Any) -> Posted:
        """What is due."""
        if self.study.is_training:
            changes = {"length": self.length} | changes
        return self.open_round(self.session, **changes)

    def say_of_study(self, sender: int, body: Approval | Withdrawal | Ending) -> None:
        """A member's word, which must count."""
        said = self.say(sender, Draft(self.study.session, body)).post.body
        assert said == body, said

    def approve(self, *members: int, contribute: bool = True, opens: bool = True) -> None:
        for member in members:
            self.say_of_study(member, Approval(self.study.digest, contribute, opens))

    def withdraw(self, *members: int) -> None:
        for member in members:
            self.say_of_study(member, Withdrawal(self.study.digest))

    def end(self, *members: int) -> None:
        """These vote to end the study."""
        for member in members:
            self.say_of_study(member, Ending(self.study.digest))

    # ── contributions ──

    def make(self, index: int, prover: int | None = None) -> Made:
        """A member's update as it contributes it; ``prover``: whose proof it has, if not its."""
        values = slots_of(index, self.suite.slots(self.asked))
        proves, study = prover or index, self.study
        return contribution.training(values, proves, self.opened, self.toy.epoch, study, index)

    def give(self, sender: int, made: Made | None = None) -> Posted:
        """A member contributes what is given, or what it should."""
        self.made[sender] = made = made or self.make(sender)
        return self.publish(sender, made.body, made.blobs)

    def contribute(self, sender: int, encrypted: Encrypted, opening: bytes | None = None) -> Posted:
        """What is given, with a proof where this module knows what is inside."""
        payload = payload_of(self.proved(sender, encrypted), self.toy.epoch)
        return self.contribute_payload(sender, attach(payload), opening, (payload,))

    def proved(self, sender: int, encrypted: Encrypted, prover: int | None = None) -> Encrypted:
        """A contribution with the proof of ``prover``, who is the sender unless told."""
        values = encrypted.values
        knows = bool(values) and all(value in OPENED for value in values)
        if encrypted.proof or self.view.opening is None or not knows:
            return encrypted
        opened = [OPENED[value] for value in values]
        member, opening = prover or sender, self.opened.digest
        return contribution.prove(opened, member, self.session, opening, self.toy.epoch)

    def contribute_payload(
        self,
        sender: int,
        attachment: Attachment,
        opening: bytes | None = None,
        blobs: tuple[bytes, ...] = (),
    ) -> Posted:
        return self.publish(sender, Contribution(opening or self.opened.digest, attachment), blobs)

    def close(
        self,
        contributors: Sequence[int | tuple[int, bytes]] | None = None,
        total: Encrypted | None = None,
        **changes: Any,
    ) -> Posted:
        """The closing of an honest aggregator, with what is given put in its place."""
        return self.close_round(self.session, contributors, total, **changes)

    # ── what members say then ──

    def due(self, index: int) -> Draft | None:
        """As a task that reads its own vector when the lock waits for the checksum."""
        member = self.members[index]
        draft = member.due(self.ledgers[index])
        if draft is None and member.owes_checksum:
            member.checksum = write_checksum(self.checksum_in(self.session, index))
            draft = member.due(self.ledgers[index])
        return draft

    def settle(
        self,
        who: Sequence[int] = (),
        tamper: Callable[[int, Draft], Draft] = lambda sender, draft: draft,
    ) -> None:
        """Let members speak until none of them has anything to say."""
        spoke, turns = True, 0
        while spoke:
            spoke, turns = False, turns + 1
            assert turns < 20, "somebody never comes to an end"
            for i in who or self.members:
                if draft := self.due(i):
                    draft = tamper(i, draft)
                    self.publish(i, draft.body, draft.blobs)
                    spoke = True

    @property
    def refusals(self) -> set[tuple[str, int]]:
        """Rule and member of what each member refused."""
        found = self.view.refusals
        return {(refusal.rule, refusal.member) for refusal in found.values()}


def contributed(contributors: tuple[int, ...] = (1, 2, 4)) -> Round:
    """An open training round with honest contributions."""
    found = Round()
    found.open()
    for i in contributors:
        found.contribute(i, training(i))
    return found


def closed(contributors: tuple[int, ...] = (1, 2, 4)) -> Round:
    """The same, and its sum."""
    found = contributed(contributors)
    found.close()
    return found


def statistic(length: int = 2, name: str = STATISTIC, **changes: Any) -> Round:
    """The round of a statistic; ``changes`` to its plan."""
    return Round(round_session(name, 1), plan=statistic_plan(TERMS, length, **changes))


class HybridRound(Round):
    """A round under the hybrid suite, with vectors of one chunk."""

    def __init__(self, session: str = SESSION) -> None:
        super().__init__(session, plan=training_plan(TERMS, suite="hybrid"))
