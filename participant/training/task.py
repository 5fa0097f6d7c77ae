"""Federated training: every round from the model that all hospitals hold to the next one.

Per round: state the model one stands at; when the round opens, fit and contribute the encrypted
difference; lock the closing's set, release partial decryptions under the policy, combine, apply.
Under a hybrid suite a contributor's lock has the checksum of its vector; the sum's vector is
read, opened and applied chunk by chunk, and is the next model if the checksums add up to its.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyshare.errors import BadUpdate, CorruptSum, FalseSum
from keyshare.rounds.slots import SlotReader
from participant.agent.set_ledger import SetLedger
from participant.agent.task import Task
from participant.app.calls import App, Config, app_seed, evaluate, fit, initial_config
from participant.disk.storage import Storage
from participant.errors import BadApp, DamagedFile, ForeignModel
from participant.model.entry_list import entry_facts
from participant.model.layout import Layout
from participant.model.local_entries import LocalEntries
from participant.model.master import Model
from participant.model.weights import SLICE, Vector, Weights, checked
from participant.rounds.contribution import BeyondTerms, ContributionMaker
from participant.rounds.held_back import HeldBack
from participant.rounds.omissions import Omissions
from participant.rounds.patience import Patience
from participant.rounds.summed_vector import Reading, SummedVector
from participant.rounds.vector_reader import OwnChecksum
from participant.rounds.waiting import round_waiting, step_waiting, view_of
from participant.training import last_contribution, precision
from participant.training.bounds import Bounds
from participant.training.outcome import Outcome, Standing, load
from participant.training.stance import Report, Stance
from participant.waiting import Waiting
from protocol.board.board import Board, Posted
from protocol.board.draft import Draft
from protocol.board.messages import Refusal
from protocol.board.suite import suite_of
from protocol.errors import Refused
from protocol.key.epoch import Epoch, EpochSecret
from protocol.rounds.awaited import awaited_after
from protocol.rounds.complaints import Judged
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.view import RoundView, read_training, round_session
from protocol.terms.terms import AGGREGATOR, Terms


@dataclass(frozen=True)
class Change:
    """What training changed, weight by weight, computed where it is read."""

    fitted: Weights
    given: Weights

    def __len__(self) -> int:
        return len(self.fitted)

    def slice(self, start: int, stop: int) -> Vector:
        """Weights ``start`` to ``stop``, float64."""
        return self.fitted.slice(start, stop) - self.given.slice(start, stop)


class TrainingTask(Task):
    """One hospital's part in all training rounds of its federation."""

    def __init__(
        self,
        terms: Terms,
        secret: tuple[Epoch, EpochSecret],
        app: App,
        storage: Storage,
        report: Report = lambda number, event, facts: None,
        new_model_after: int | None = None,
    ) -> None:
        """``new_model_after``: a round after which the app's initial parameters are the model."""
        self._terms, (self._epoch, self._secret) = terms, secret
        self._app, self._storage, self._report = app, storage, report
        self._index = self._secret.index
        self._ledger = SetLedger(storage)
        self._history = OpenedSets(terms)
        self._rounds: dict[int, RoundMember] = {}
        self._closed_at: dict[int, float] = {}
        self._omissions = Omissions()
        self._told: set[int] = set()  # the entries of complaints that are reported
        self._own: OwnChecksum | None = None  # of the next round, as the two below
        self._patience: Patience | None = None
        self._abstains_in = 0  # a round to which this hospital adds nothing
        self._sum: SummedVector | None = None  # whose vector is being read
        self._outcome: Outcome | None = None
        self._reader: SlotReader | None = None  # of the sum that the outcome is made of
        self._hold = HeldBack(terms, self._history)
        initial = app.initial_parameters(initial_config(terms, new_model_after or 0))
        self._layout = Layout.of(initial, getattr(app, "local_entries", ()))
        self._local = LocalEntries(self._layout, initial, storage, new_model_after or 0)
        self._begins_anew = False  # with another model than what was trained before
        self._standing = standing = self._load(initial, new_model_after)
        key = self._epoch.digest
        self._stance = Stance(terms, self._index, key, self._layout, standing, report)
        self._report(self.finished, "entries", entry_facts(self._layout))

    def _load(self, initial: object, new_model_after: int | None) -> Standing:
        """The newest model stored here, or the initial one."""
        begin = new_model_after or 0
        for number in range(self._terms.rounds.count, begin, -1):
            if found := load(self._storage, number, self._layout):
                return found
        model = Model.of(checked(initial, self._layout, "initial_parameters"))
        self._begins_anew = begin > 0
        with contextlib.suppress(ForeignModel, DamagedFile):
            found = load(self._storage, begin, self._layout) if begin else None
            if found and found.model.digest == model.digest:
                return found  # where the others stand who go on from it
        return Standing(begin, model, Bounds())

    @property
    def finished(self) -> int:
        """The last round whose model is here."""
        return self._standing.number

    @property
    def done(self) -> bool:
        """Whether the last round's model is stored here and stated on the board."""
        is_last = self.finished >= self._terms.rounds.count
        return is_last and self._stance.is_stated and not self._is_owing

    @property
    def parameters(self) -> Any:
        """The model that this hospital stands at, as its app is given it."""
        return self._standing.model.to_app(self._local.entries)

    def waiting(self, board: Board) -> Waiting:
        """A vector, else the round that is open, else the opening of the next."""
        if self.wanted_blobs():
            whose = {"whose": self.reading.whose} if self.reading else {}
            return Waiting("vector", (AGGREGATOR,), whose)
        finished, terms = self.finished, self._terms
        following = round_session(str(finished + 1))
        view = view_of(board, following)
        opening = view.terms_of_opening
        if opening is not None and view.closing is None and self._hold.is_held:
            members = self._hold.waiting_for or (AGGREGATOR,)
            facts = {"round": finished + 1, **self._hold.facts(finished + 1, opening)}
            return Waiting("held-back", members, facts)
        if patience := self.patience:
            facts = {"session": following, "needed": 0, "until_seconds": round(patience.seconds)}
            return Waiting("checksums", patience.missing, facts)
        if view.opening is not None:
            return round_waiting(view, terms, self.abstaining)
        found = awaited_after(view_of(board, round_session(str(finished))), terms)
        facts = {"round": finished, **self._stance.disagreement}
        if facts["agreeing"] < facts["needed"] and (differing := self.differing):
            members = found.members if found.step == "statements" and found.needed else differing
            return Waiting("agreement", members, facts)
        return step_waiting(found, following)

    def begin(self, board: Board) -> None:
        """Take note of who has stated what, which sums are open, and what was before a restore."""
        self._history.follow(board.entries)
        self._ledger.begin(board)
        if self._begins_anew and (used := self._history.opened_from(self._standing.model.digest)):
            self._report(self.finished, "used-model", {"rounds": list(used)})
        for posted in board.entries:
            kind, _, name = posted.post.session.partition("/")
            if kind == "round":
                self._stance.hear(int(name), posted)

    def wants(self, session: str) -> bool:
        """What is said of the model that this hospital stands at, and all later rounds."""
        kind, _, name = session.partition("/")
        return kind == "round" and self.finished <= int(name) <= self._terms.rounds.count

    def needs(self, posted: Posted) -> bool:
        """Contributions to an open round, and parts of a closed one, that are not there yet."""
        number = int(posted.post.session.partition("/")[2])
        return number >= max(1, self.finished) and self._round(number).view.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises ModelMismatch if the round does not start from this hospital's model.

        Raises Refused once this hospital's refusal to help with the round is on the board.
        """
        number = int(posted.post.session.partition("/")[2])
        body = posted.post.body
        self._stance.hear(number, posted)
        if number < max(1, self.finished):
            return
        member = self._round(number)
        if number == self.finished:
            # The others may still need this hospital's part, and it may still see a wrong one.
            self._take(number, member, posted, payloads)
            return
        if isinstance(body, Refusal) and posted.post.sender == self._index:
            raise Refused(member.view.name, body.rule, body.member, body.reason)
        was_closed = member.view.closing is not None
        self._take(number, member, posted, payloads)
        if member.view.closing and not was_closed:
            self._closed_at[number] = time.monotonic()
            self._report(number, "closed", {"contributors": self._contributors(member)})
            self._warn(number, member)
        if number == self.finished + 1:
            self._apply(number, member)

    def _take(
        self, number: int, member: RoundMember, posted: Posted, payloads: Mapping[int, bytes]
    ) -> None:
        """Let the round's machine read an entry, and report what complaints show."""
        member.receive(posted, payloads)
        self._tell_left_out(number, member)
        for found in member.complaints():
            if found.entry not in self._told:
                self._told.add(found.entry)
                self._tell(number, found)

    def _tell_left_out(self, number: int, member: RoundMember, is_over: bool = False) -> None:
        for facts in self._omissions.news(member, is_over):
            self._report(number, "left-out", facts)

    def _tell(self, number: int, found: Judged) -> None:
        """Report who sent a wrong part, or complains of one without cause.

        What another member alone says is reported by nobody: it proves nothing.
        """
        if found.verdict == "unproven" and found.by != self._index:
            return
        event = "false-complaint" if found.verdict == "false" else "wrong-partial"
        name = self._terms.name_of
        facts = {"members": [name(found.about)], "by": name(found.by), "entry": found.entry}
        self._report(number, event, {**facts, "verdict": found.verdict})

    def due(self) -> Draft | None:
        """A statement, a contribution, a lock, a partial decryption, a complaint or a refusal.

        What the model is made of comes before the first statement of such a model.
        """
        if stated := self._stance.due():
            return stated
        if self._is_owing:
            return self._rounds[self.finished].due(self._ledger)
        number = self.finished + 1
        member = self._rounds.get(number)
        if member is None:
            return None
        view = member.view
        if view.opening and not view.closing:
            if self._index not in view.contributions and self._abstains_in != number:
                return self._contribution(number, view)
            self._look_for_hold(number, member)
        if member.owes_partial:
            self._patience = self._patience or Patience(member)
            if self._patience.waits:
                return None
        draft = member.due(self._ledger)
        if member.owes_checksum and self._own is None:
            self._own = OwnChecksum(member)
        return draft

    def _look_for_hold(self, number: int, member: RoundMember) -> None:
        """Report, once, that the round is held back, for whom, and what it must not be added to."""
        opening = member.view.terms_of_opening
        if opening is not None and self._hold.look(member):
            self._report(number, "held-back", self._hold.facts(number, opening))

    @property
    def differing(self) -> tuple[int, ...]:
        """The members that state another model than this hospital's."""
        return self._stance.differing

    @property
    def abstaining(self) -> tuple[int, ...]:
        """This hospital, where it adds nothing to the round that is open."""
        return (self._index,) if self._abstains_in == self.finished + 1 else ()

    @property
    def patience(self) -> Patience | None:
        """What holds back this hospital's partial decryption, if it does."""
        return self._patience if self._patience and self._patience.waits else None

    @property
    def held_back(self) -> HeldBack:
        """Whether the open round is held back, and for whom."""
        return self._hold

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """The next chunks of the vector that is being read: the own one, the sum, another's."""
        if self._sum:
            return self._sum.wanted()
        return self._own.wanted() if self._own else ()

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Take the next chunk: one of the sum is opened and applied."""
        number = self.finished + 1
        if self._sum is None or self._outcome is None:
            assert self._own is not None
            self._own.take(data)
            return
        try:
            self._outcome.add(self._sum.take(data))
        except CorruptSum as error:
            self._void(number, error)
            return
        if self._sum.done:
            self._advance(number)

    @property
    def reading(self) -> Reading | None:
        """How much of a vector is read, while the round's sum is being opened or checked."""
        summed = self._sum  # asked for beside a step that may let go of it
        return summed.reading if summed else None

    @property
    def _is_owing(self) -> bool:
        """Whether this hospital has its part, or a complaint, to say in the round it finished."""
        member = self._rounds.get(self.finished)
        return member is not None and (member.owes_partial or member.owes_complaint)

    def _warn(self, number: int, member: RoundMember) -> None:
        """Report a sum that shows, with others, what too few members added; the terms allow it."""
        if (found := member.difference) and self._terms.rounds.differencing == "warn":
            names = [self._terms.name_of(m) for m in found.members]
            facts = {"rounds": list(found.rounds), "members": names}
            self._report(number, "differencing", facts)

    def _round(self, number: int) -> RoundMember:
        if number not in self._rounds:
            view = RoundView(round_session(str(number)))
            self._rounds[number] = RoundMember(
                view, self._terms, self._epoch, self._secret, self._history
            )
            # The rules decide; whoever runs this agreed. Restored: the others decrypt without it.
            self._rounds[number].consent = not self._ledger.bars(view.session)
        return self._rounds[number]

    def _config(self, number: int) -> Config:
        return {"round": number, "seed": app_seed(self._terms)}

    def _contribution(self, number: int, view: RoundView) -> Draft | None:
        """None where this hospital adds nothing, and helps to decrypt.

        The app has no examples, or its update is beyond what the terms allow.
        """
        opening = view.terms_of_opening
        assert opening is not None and view.opening is not None
        self._stance.check(view)
        self._stance.warn_of_wider(number, view.opening.position)
        started = time.monotonic()
        change, examples = self._fit(number)
        if not examples:
            self._abstain(number, "abstained", {})
            return None
        trained = time.monotonic()
        maker = ContributionMaker(self._terms, self._epoch, self._secret, self._storage)
        try:
            draft, writer = maker.make(change, examples, view.opening)
        except BadUpdate as error:
            raise BadApp("fit", str(error)) from None
        except BeyondTerms as error:
            facts = {"largest": error.largest, "clip": self._terms.clip}
            self._abstain(number, "beyond-terms", facts)
            return None
        last_contribution.keep(self._storage, number, writer.marks)
        if not writer.fits:
            facts = {"clip": opening.clip, "most": opening.max_examples}
            self._report(number, "blinded", facts)
        seconds = {"train": trained - started, "encrypt": time.monotonic() - trained}
        self._report(number, "contributed", {"suite": opening.suite, **seconds})
        return draft

    def _abstain(self, number: int, why: str, facts: dict[str, Any]) -> None:
        """Add nothing to a round, and report why."""
        self._abstains_in = number
        self._report(number, why, facts)

    def _fit(self, number: int) -> tuple[Change, int]:
        parameters, examples, metrics = fit(self._app, self.parameters, self._config(number))
        fitted = checked(parameters, self._layout, "fit")
        self._local.keep(parameters, number)
        self._report(number, "fitted", {"metrics": metrics, "examples": examples})
        return Change(fitted, self._standing.model.given), examples

    def _contributors(self, member: RoundMember) -> list[int]:
        return [c.member for c in member.view.closed.contributors] if member.view.closed else []

    def _apply(self, number: int, member: RoundMember) -> None:
        """Once the sum is decrypted: the next model, stored before anything else happens."""
        opening, closing = member.view.terms_of_opening, member.view.closed
        if member.plaintexts is None or opening is None or self._outcome is not None:
            return
        assert closing is not None and member.view.opening is not None
        self._stance.check(member.view)
        self._outcome = Outcome(self._storage, self._standing, number)
        try:
            if closing.vector:
                self._sum = SummedVector(member.plaintexts, member.view, self._epoch, self._terms)
                self._reader = self._sum.reader
                return  # the chunks of the vector come one by one
            slots = suite_of(opening.suite, self._terms).slots(opening)
            self._reader = slots.reader(len(closing.contributors))
            update = read_training(member.plaintexts, opening, self._terms, self._reader)
        except CorruptSum as error:
            self._void(number, error)
            return
        for start in range(0, len(update), SLICE):
            self._outcome.add(update[start : start + SLICE])
        self._advance(number)

    def _void(self, number: int, error: CorruptSum) -> None:
        """Everyone has the same sum, and with it the same verdict: the model stays as it is."""
        assert self._outcome is not None
        contributors = self._contributors(self._rounds[number])
        by = "aggregator" if isinstance(error, FalseSum) else "contributor"
        facts = {"reason": str(error), "by": by, "contributors": contributors}
        self._report(number, "void", facts)
        self._outcome.abandon(error)
        self._stand_at(number)

    def _advance(self, number: int) -> None:
        outcome, reader = self._outcome, self._reader
        assert outcome is not None and reader is not None
        is_counted = self._index in self._contributors(self._rounds[number])
        own = last_contribution.marks_of(self._storage, number) if is_counted else None
        for told in precision.of_sum(reader, own, outcome):
            self._report(number, *told)
        if reader.is_outgrown or reader.is_coarse:
            outcome.forgo(reader.counts, own)
        else:
            outcome.finish(reader.counts, own)
        self._stand_at(number)

    def _name_liars(self, number: int) -> None:
        """Report whose checksums were false: the round's sum does not depend on them."""
        if self._sum and self._sum.liars:
            names = [self._terms.name_of(m) for m in self._sum.liars]
            self._report(number, "false-checksum", {"members": names})

    def _stand_at(self, number: int) -> None:
        """Go on from the model that has been stored; the old one is let go of before it is read."""
        self._name_liars(number)
        self._sum = self._outcome = self._reader = self._own = self._patience = None
        del self._standing
        standing = load(self._storage, number, self._layout)
        assert standing is not None
        self._standing = standing
        contributors = self._contributors(self._rounds[number])
        self._tell_left_out(number, self._rounds[number], is_over=True)
        self._rounds.pop(number - 1, None)
        waited = time.monotonic() - self._closed_at.pop(number, time.monotonic())
        self._report(number, "decrypted", {"decrypt": waited, "contributors": contributors})
        self._stance.move(standing)
        facts = evaluate(self._app, self.parameters, self._config(number))
        self._report(number, "evaluated", facts)
        if following := self._rounds.get(number + 1):
            self._apply(number + 1, following)  # what was said while a vector was being read
