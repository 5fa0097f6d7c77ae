"""Federated training: every round from the model that all hospitals hold to the next one.

Per round: state the model one stands at; when the round opens, fit and contribute the encrypted
difference; lock the closing's set, release partial decryptions under the policy, combine, apply.
Under a hybrid suite a contributor's lock has the checksum of its vector; the sum's vector is
read, opened and applied chunk by chunk, and is the next model if the checksums add up to its.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyshare.errors import BadUpdate
from participant.agent import SetLedger, Task
from participant.app import App, Config, app_seed, evaluate, fit, initial_config
from participant.disk import Storage
from participant.errors import BadApp, DamagedFile, ForeignModel
from participant.model import Layout, LocalEntries, Model, Vector, Weights, checked, entry_facts
from participant.rounds import BeyondTerms, ContributionMaker, Reading, round_waiting, step_waiting
from participant.training import last_contribution
from participant.training.bounds import Bounds
from participant.training.outcome import Standing, load
from participant.training.round_in_progress import RoundInProgress
from participant.training.stance import Report, Stance
from participant.waiting import Waiting
from protocol.board import Board, Draft, Posted, Refusal, read_session
from protocol.errors import Refused
from protocol.key import HeldKey
from protocol.rounds import OpenedSets, RoundMember, RoundView, awaited_after, round_session
from protocol.terms import Terms


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
        secret: HeldKey,
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
        self._rounds: dict[int, RoundInProgress] = {}
        self._clock = time.monotonic  # by which a round is held back
        initial = app.initial_parameters(initial_config(terms, new_model_after or 0))
        self._layout = Layout.of(initial, getattr(app, "local_entries", ()))
        self._local = LocalEntries(self._layout, initial, storage, new_model_after or 0)
        self._begins_anew = False  # with another model than what was trained before
        self._standing = standing = self._load(initial, new_model_after)
        self.finished = standing.number  # the last round whose model is here
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
    def done(self) -> bool:
        """Whether the last round's model is stored here and stated on the board."""
        is_last = self.finished >= self._terms.rounds.count
        return is_last and self._stance.is_stated and not self._is_owing

    @property
    def parameters(self) -> Any:
        """The model that this hospital stands at, as its app is given it."""
        return self._standing.model.to_app(self._local.entries)

    @property
    def current(self) -> RoundInProgress | None:
        """The round that leads to the next model, once anything of it is here."""
        return self._rounds.get(self.finished + 1)

    def parameters_after(self, number: int) -> Any:
        """The model after a round that is done, read from the disk, as the app is given it."""
        found = load(self._storage, number, self._layout)
        assert found is not None
        return found.model.to_app(self._local.entries)

    def waiting(self, board: Board) -> Waiting:
        """The round that is open, else the opening of the next."""
        finished, terms, current = self.finished, self._terms, self.current
        following = round_session(str(finished + 1))
        view = RoundView.of(following, board.session(following))
        if view.opening is not None:
            return current.waiting(view) if current else round_waiting(view, terms)
        session = round_session(str(finished))
        found = awaited_after(RoundView.of(session, board.session(session)), terms)
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
            named = read_session(posted.post.session)
            if named.kind == "round":
                self._stance.hear(named.number, posted)

    def wants(self, session: str) -> bool:
        """What is said of the model that this hospital stands at, and all later rounds."""
        named = read_session(session)
        return named.kind == "round" and self.finished <= named.number <= self._terms.rounds.count

    def needs(self, posted: Posted) -> bool:
        """Contributions to an open round, and parts of a closed one, that are not there yet."""
        number = read_session(posted.post.session).number
        return number >= max(1, self.finished) and self._round(number).member.view.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises ModelMismatch if the round does not start from this hospital's model.

        Raises Refused once this hospital's refusal to help with the round is on the board.
        """
        number = read_session(posted.post.session).number
        body, sender = posted.post.body, posted.post.sender
        self._stance.hear(number, posted)
        if number < max(1, self.finished):
            return
        found = self._round(number)
        if number == self.finished:
            # The others may still need this hospital's part, and it may still see a wrong one.
            found.receive(posted, payloads)
            return
        if isinstance(body, Refusal) and sender == self._index:
            raise Refused(found.member.view.name, body.rule, body.member, body.reason)
        found.receive(posted, payloads)
        if found.member.view.closing is posted:
            found.closed()
        if found is self.current:
            self._apply(found)

    def due(self) -> Draft | None:
        """A statement, a contribution, a lock, a partial decryption, a complaint or a refusal.

        What the model is made of comes before the first statement of such a model.
        """
        if stated := self._stance.due():
            return stated
        if self._is_owing:
            return self._rounds[self.finished].member.due(self._ledger)
        if (current := self.current) is None:
            return None
        view = current.member.view
        may_contribute = self._index not in view.contributions and not current.abstains
        if view.opening and not view.closing and may_contribute:
            return self._contribution(current.number, view)
        return current.due(self._ledger)

    @property
    def differing(self) -> tuple[int, ...]:
        """The members that state another model than this hospital's."""
        return self._stance.differing

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """The next chunks of the vector that is being read: the own one, the sum, another's."""
        return self.current.wanted_blobs() if self.current else ()

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Take the next chunk: one of the sum is opened and applied."""
        assert self.current is not None
        if self.current.receive_blob(data):
            self._stand_after(self.current)

    @property
    def reading(self) -> Reading | None:
        """How much of a vector is read, while the round's sum is being opened or checked."""
        current = self.current  # asked for beside a step that may let go of it
        return current.reading if current else None

    @property
    def _is_owing(self) -> bool:
        """Whether this hospital has its part, or a complaint, to say in the round it finished."""
        return self.finished in self._rounds and self._rounds[self.finished].is_owing

    def _round(self, number: int) -> RoundInProgress:
        if number not in self._rounds:
            view, history = RoundView(round_session(str(number))), self._history
            member = RoundMember(view, self._terms, self._epoch, self._secret, history)
            # The rules decide; whoever runs this agreed. Restored: the others decrypt without it.
            member.consent = not self._ledger.bars(view.session)
            self._rounds[number] = RoundInProgress(
                number, member, self._storage, history, self._report, self._clock
            )
        return self._rounds[number]

    def _config(self, number: int) -> Config:
        return {"round": number, "seed": app_seed(self._terms)}

    def _contribution(self, number: int, view: RoundView) -> Draft | None:
        """None where this hospital adds nothing, and helps to decrypt.

        The app has no examples, or its update is beyond what the terms allow.
        """
        assert view.opening is not None
        opening = view.opening.post.body
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
        self._rounds[number].abstains = True
        self._report(number, why, facts)

    def _fit(self, number: int) -> tuple[Change, int]:
        parameters, examples, metrics = fit(self._app, self.parameters, self._config(number))
        fitted = checked(parameters, self._layout, "fit")
        self._local.keep(parameters, number)
        self._report(number, "fitted", {"metrics": metrics, "examples": examples})
        return Change(fitted, self._standing.model.given), examples

    def _apply(self, current: RoundInProgress) -> None:
        """Once the sum is decrypted: the next model, stored before anything else happens."""
        if current.has_sum:
            self._stance.check(current.member.view)
            if current.open_sum(self._standing):
                self._stand_after(current)

    def _stand_after(self, ended: RoundInProgress) -> None:
        """Go on from the model that has been stored; the old one is let go of before it is read."""
        del self._standing
        standing = load(self._storage, ended.number, self._layout)
        assert standing is not None
        self._standing, self.finished = standing, ended.number
        ended.tell_end()
        self._rounds.pop(ended.number - 1, None)
        self._stance.move(standing)
        facts = evaluate(self._app, self.parameters, self._config(ended.number))
        self._report(ended.number, "evaluated", facts)
        if self.current:
            self._apply(self.current)  # what was said while a vector was being read
