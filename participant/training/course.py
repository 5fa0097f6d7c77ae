"""A study that trains, round by round: from the model that all its hospitals hold to the next one.

Per round: state the model one stands at; when the round opens, fit and contribute the encrypted
difference; lock the closing's set, release partial decryptions under the policy, combine, apply.
Under a hybrid suite a contributor's lock has the checksum of its vector; the sum's vector is
read, opened and applied chunk by chunk, and is the next model if the checksums add up to its.

Nothing is stated or contributed but while this hospital's approval stands; a contribution waits for
the end of all rounds over the same (``OpenedSets.unended``).
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from participant.agent import SetLedger
from participant.app import App, Turns, config_of, evaluate
from participant.errors import ModelLetGo
from participant.model import Layout, LocalEntries, entry_facts
from participant.pruning import SampledModels
from participant.rounds import Reading, other_rounds_waiting, round_waiting, step_waiting
from participant.training.fitting import Fitter
from participant.training.outcome import load, newest
from participant.training.round_in_progress import RoundInProgress
from participant.training.stance import Report, Stance, said_before
from participant.training.starts import Alike, alike_before
from participant.training.stood import told_standing
from participant.waiting import Waiting
from protocol.board import Board, Draft, Posted, StudyState
from protocol.errors import Refused
from protocol.key import HeldKeys
from protocol.messages import Opening, Refusal, read_session
from protocol.rounds import OpenedSets, RoundMember, RoundView, awaited_after, outlasts_end
from protocol.terms import AGGREGATOR


class StudyCourse:
    """One hospital's way through all rounds of a study."""

    def __init__(
        self,
        state: StudyState,
        keys: HeldKeys,
        app: App,
        turns: Turns,
        samples: SampledModels,
        report: Report,
        board: Board,
    ) -> None:
        """samples: of the models that were let go of, in this hospital's storage.

        Raises BadApp, NoStart, ForeignModel, NotStated and DamagedFile. Takes note of who has
        stated what on the board, which sums are open, and what was before a restore.
        """
        self.state, self.study, self._keys = state, state.study, keys
        self._app, self._turns, self._board = app, turns, board
        storage = samples.storage
        self._samples, self._storage, self._report = samples, storage, report
        self._scoring: tuple[int, Future[dict[str, Any]]] | None = None  # of which round's model
        self._index = keys.index
        self._ledger, self._history = SetLedger(storage), OpenedSets.of(board)
        self._rounds: dict[int, RoundInProgress] = {}
        self._clock = time.monotonic  # by which a round is held back
        initial = app.initial_parameters(config_of(self.study, 0))
        self._layout = Layout.of(initial, getattr(app, "local_entries", ()))
        local = LocalEntries(self._layout, initial, storage, self.study.name)
        place = storage, self.study, self._layout, initial
        start = board.key.inheritance.model_of(self.study.training)
        self._standing = standing = newest(*place, start)
        self.finished = standing.number  # the last round whose model is here
        run = getattr(app, "run", "") or self.study.training.run
        about = self.study, self._index, self._layout, standing, report, run
        self._stance = Stance(*about)
        self.fitter = Fitter(self.study, app, turns, storage, local, report)
        # For which opening, and since which own post: while a round waits, others go on.
        self._alike: tuple[tuple[bytes, Posted | None], Alike] = ((b"", None), Alike())
        self._unended: tuple[str, ...] = ()  # what the contribution that is due waits for
        report(self.finished, "entries", entry_facts(self._layout))
        self._ledger.begin(board)
        self._tell_standing()
        for posted in said_before(board, self.study, self._index, self.finished):
            self._stance.hear(read_session(posted.post.session).number, posted)
        self._stance.check_given(standing)

    @property
    def done(self) -> bool:
        """Whether the last round's model is stored and scored here, and stated on the board."""
        is_last = self.finished >= self.study.rounds and self._scoring is None
        return is_last and (self._stance.is_stated or not self._adds) and not self.is_bound

    @property
    def _adds(self) -> bool:
        """Whether this hospital's approval to contribute stands, to a study that goes on."""
        return self.state.contributes(self._index) and not self.state.is_ended()

    @property
    def is_bound(self) -> bool:
        """Whether a set that this hospital has locked may want its part, or a complaint, of it.

        As long as the study goes on others may lock the set, too.
        """
        return any(map(self._is_bound, self._rounds.values()))

    def _is_bound(self, one: RoundInProgress) -> bool:
        view, me = one.member.view, self._index
        if one.is_owing:
            return True
        has_said = me in view.partials or me in view.refusals
        is_ahead = one.number > self.finished and me in view.lock_posts and not has_said
        if one.member.is_barred:
            return False
        return is_ahead and (not self.state.is_ended() or outlasts_end(view, self.study.terms))

    @property
    def awaits_sum(self) -> bool:
        """Whether the sum that leads to the next model comes though the study has ended."""
        current = self.current
        if current is None or (current.member.is_barred and current.member.plaintexts is None):
            return False
        return outlasts_end(current.member.view, self.study.terms)

    @property
    def current(self) -> RoundInProgress | None:
        """The round that leads to the next model, once anything of it is here."""
        return self._rounds.get(self.finished + 1)

    @property
    def parameters(self) -> Any:
        """The model that this hospital stands at, as its app is given it."""
        return self.fitter.to_app(self._standing.model)

    def parameters_after(self, number: int) -> object:
        """The model after a round that is done, from the disk; raises ModelLetGo."""
        found = load(self._storage, self.study.name, number, self._layout)
        if found is None:
            raise ModelLetGo(f"{self.study.name}/{number}", self.finished)
        return self.fitter.to_app(found.model)

    def waiting(self, board: Board) -> Waiting:
        """The round that is open, else the opening of the next."""
        finished, state, current = self.finished, self.state, self.current
        following = self.study.round(finished + 1)
        view = RoundView.of(following, board.session(following))
        if self._is_app_at_work(view):
            return Waiting("app", (self._index,), {"round": finished + 1, "session": following})
        if view.opening is not None:
            if self._unended and view.closing is None:
                return other_rounds_waiting(view, self._unended, board)
            return current.waiting(view) if current else round_waiting(view, state)
        session = self.study.round(finished)
        found = awaited_after(RoundView.of(session, board.session(session)), state)
        if found is None:
            return Waiting("task", (AGGREGATOR,))
        facts = {"round": finished, "session": session, **self._stance.disagreement}
        is_stating = found.step in ("statements", "agreement", "opening")
        if is_stating and facts["agreeing"] < facts["needed"] and (differing := self.differing):
            members = found.members if found.step == "statements" and found.needed else differing
            return Waiting("agreement", members, facts)
        return step_waiting(found, following)

    def _is_app_at_work(self, following: RoundView) -> bool:
        """Whether nothing is missing but what the app of this hospital computes."""
        is_due = following.opening is not None and following.closing is None
        is_asked = self._turns.is_asked or not self._adds or self.finished >= self.study.rounds
        is_at_work = not is_asked or self._scoring is not None
        return is_at_work or (is_due and self.fitter.is_at_work)

    def wants(self, number: int) -> bool:
        """What is said of the model that this hospital stands at, and all later rounds."""
        return self.finished <= number <= self.study.rounds

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

        What the model is made of comes before the first statement of such a model. A model is
        stated once the app has scored it and can train on, or there is nothing to train any more.
        """
        self._tell_score()
        self._go_on_from_lost()
        if self._adds and self._is_ready and (stated := self._stance.due()):
            return stated
        if self.finished in self._rounds and self._rounds[self.finished].is_owing:
            return self._rounds[self.finished].member.due(self._ledger)
        if (current := self.current) is None:
            return None
        self._require_reach(current)
        if self._may_contribute(current) and (said := self._contribution(current)):
            return said
        return current.due(self._ledger)

    @property
    def _is_ready(self) -> bool:
        is_last = self.finished >= self.study.rounds
        return self._scoring is None and (is_last or self._turns.is_asked)

    def _require_reach(self, current: RoundInProgress) -> None:
        """Raises Refused where others have opened a sum that this hospital can never read.

        The key was handed over since, and its share of that time is lost.
        """
        member = current.member
        opening, parts = member.view.terms_of_opening, len(member.view.partials)
        if opening is None or member.plaintexts is not None or parts < self.study.terms.quorum:
            return
        epoch, keys = self._board.key.by_digest.get(opening.epoch), self._keys
        if epoch and epoch.number < keys.current.epoch.number and not keys.of(epoch.digest):
            reason = "it was opened under a key of which this hospital has no share any more"
            raise Refused(member.view.name, "known-round", 0, reason)

    def _may_contribute(self, current: RoundInProgress) -> bool:
        """Whether this hospital's approval stands, and stood before the opening."""
        view = current.member.view
        if view.opening is None or view.closing or current.abstains or not self._adds:
            return False
        has_said = self._index in view.contributions
        return not has_said and self.state.contributes(self._index, view.opening.position)

    def _contribution(self, current: RoundInProgress) -> Draft | None:
        """None while it waits for other rounds, or where this hospital adds nothing to this one."""
        view = current.member.view
        assert view.opening is not None
        # The same to the end, whatever becomes of the share meanwhile.
        key = self._keys.of(view.opening.post.body.epoch) or self._keys.current
        self._stance.check(view, key.epoch)
        near, otherwise, _ = self._alike_before(view.opening)
        otherwise += self._history.weighed_otherwise(view, self._index, near)
        if otherwise:
            self._report(current.number, "weighed-otherwise", {"studies": list(otherwise)})
            current.abstains = True
            return None
        before, self._unended = self._unended, self._history.unended(view, self._index, near)
        if self._unended:
            if self._unended != before:
                names = [read_session(session).name for session in self._unended]
                self._report(current.number, "other-rounds", {"rounds": names})
            return None
        if not self.fitter.has_fitted(current.number, self._standing.model):
            return None
        self._stance.warn_of_wider(current.number, view.opening.position)
        place = current.number, self._standing.model, view.opening, near
        found = self.fitter.contribution(*place, key)
        current.abstains = found is None
        return found

    def _alike_before(self, opened: Posted[Opening]) -> Alike:
        """What this hospital has added to rounds of other studies, from the same or nearly."""
        asked = opened.digest, self._board.last_of(self._index)
        if self._alike[0] != asked:
            place = self._history, self._board, self._index, self.study, opened.post.body
            found = alike_before(*place, self._standing.model, self._samples)
            if lost := [name for name in found.lost if name not in self._alike[1].lost]:
                self._report(self.finished + 1, "not-compared", {"rounds": lost})
            self._alike = asked, found
        return self._alike[1]

    @property
    def differing(self) -> tuple[int, ...]:
        """The members that state another model than this hospital's."""
        return self._stance.differing

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """The next chunks of the vector that is being read: the own one, the sum, another's."""
        return self.current.wanted_blobs() if self.current else ()

    def receive_blob(self, data: bytes) -> None:
        """Take the next chunk: one of the sum is opened and applied."""
        assert self.current is not None
        if self.current.receive_blob(data):
            self._stand_after(self.current)

    @property
    def reading(self) -> Reading | None:
        """How much of a vector is read, while the round's sum is being opened or checked."""
        current = self.current  # asked for beside a step that may let go of it
        return current.reading if current else None

    def _round(self, number: int) -> RoundInProgress:
        if number not in self._rounds:
            view, history = RoundView(self.study.round(number)), self._history
            member = RoundMember(view, self.state, self._keys, history)
            # The rules decide; this hospital has approved the study, or says nothing. Restored:
            # the others decrypt without it.
            member.consent = not self._ledger.bars(view.session)
            self._rounds[number] = RoundInProgress(
                number, member, self._storage, history, self._report, self._clock
            )
        return self._rounds[number]

    def _apply(self, current: RoundInProgress) -> None:
        """Once the sum is decrypted: the next model, stored before anything else happens.

        Not before the model of the round before has been scored: of no more than two is anything
        held.
        """
        if current.has_sum and self._scoring is None:
            self._stance.check(current.member.view, current.member.epoch)
            if current.open_sum(self._standing):
                self._stand_after(current)

    def _go_on_from_lost(self) -> None:
        """Go on from the model before, where the key was refreshed before the sum was opened."""
        if self._scoring is not None or self.state.is_ended():
            return
        if (current := self.current) and (handover := self._lost_in(current)):
            current.lose(self._standing, handover)
            self._stand_after(current)
        else:
            self._go_back()

    def _go_back(self) -> None:
        """Follow the others who have lost the last round, whose sum this hospital has opened.

        Whoever gave a part may have sealed it rightly to this one alone.
        """
        ended = self._rounds.get(self.finished)
        if ended is None or not (handover := self._lost_in(ended)):
            return
        opening = ended.member.view.terms_of_opening
        if opening is None or opening.model == self._standing.model.digest:
            return  # it has lost it too, or the sum has changed nothing
        if before := load(self._storage, self.study.name, ended.number - 1, self._layout):
            ended.lose(before, handover)
            self._stand_after(ended)

    def _lost_in(self, found: RoundInProgress) -> str:
        """The session of the refresh for which a round is lost; empty if it is not.

        Here, since too few parts came in time; or for the others, as enough of them state.
        """
        opened = found.member.view.opening
        refresh = self._board.key.handovers.refresh_since(opened.position) if opened else None
        if opened is None or refresh is None or found.reading:
            return ""
        is_agreed = self._stance.is_agreed(found.number, opened.post.body.model)
        return refresh.about.session if is_agreed or found.member.is_lost else ""

    def _stand_after(self, ended: RoundInProgress) -> None:
        """Go on from the model that has been stored; the old one is let go of before it is read."""
        del self._standing
        standing = load(self._storage, self.study.name, ended.number, self._layout)
        assert standing is not None
        self._standing, self.finished, self._unended = standing, ended.number, ()
        ended.tell_end()
        self._rounds.pop(ended.number - 1, None)
        self._tell_standing(ended.nothing)
        self._stance.move(standing)  # which may tell who stands at another one
        self.fitter.give_up()
        config = config_of(self.study, ended.number)
        work = partial(evaluate, self._app, self.parameters, config)
        self._scoring = ended.number, self._turns.begin(work)
        self._tell_score()

    def _tell_standing(self, reason: str = "") -> None:
        """Tell the app where this hospital stands, and why the model may be the one of before."""
        model = self._standing.model
        where = self.study, self._board, self._index
        sums, stood = told_standing(*where, self.finished, model, reason)
        self._turns.sums_before(sums)
        self._turns.stand(stood, partial(self.fitter.to_app, model))

    def _tell_score(self) -> None:
        """Report what the app has made of the model, once it has; and go on from there."""
        if self._scoring is None or not self._scoring[1].done():
            return
        (number, scored), self._scoring = self._scoring, None
        self._report(number, "evaluated", scored.result())
        if self.current:
            self._apply(self.current)  # what was said while a vector was being read, or it scored
