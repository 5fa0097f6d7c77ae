"""When a round opens and closes: decisions from the board and the clock alone."""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from itertools import islice

from aggregator.rounds.stated import StatedModels
from protocol.board import (
    KeyHistory,
    Posted,
    Studies,
    Study,
    StudyState,
    Surplus,
    chunk_count,
    expected_count,
    suite_for,
)
from protocol.encoding import width_of
from protocol.key import Epoch, to_number
from protocol.messages import (
    MAX_BLOB_BYTES,
    MAX_CHUNKS,
    MAX_LENGTH,
    Opening,
    Statement,
    read_session,
    round_session,
)
from protocol.rounds import (
    Awaited,
    OpenedSets,
    RoundsState,
    RoundView,
    awaited_after,
    awaited_in,
    bounds_of,
    is_lost,
    opening_for,
    outlasts_end,
)
from protocol.terms import Terms

_HEADER_BYTES = 1_024
_PROOF_NUMBERS = 3  # of a contribution's proof, each of a ciphertext's size at most

Session = Callable[[str], Sequence[Posted]]  # the entries of a session, in order
Waited = Callable[[int], int]  # for how long, since a time of the board; both in ms


class Rounds:
    """All rounds of a federation's studies, as the board tells them.

    studies, key: those of the board, which somebody else keeps up with it.
    views: by session, round 0 of a study included, where nothing is added.
    """

    def __init__(
        self, terms: Terms, studies: Studies, key: KeyHistory, session: Session = lambda name: ()
    ) -> None:
        """session: the board's, of who lets go of rounds."""
        self._session = session
        self.terms, self.studies, self.handovers = terms, studies, key.handovers
        self.stated = StatedModels(studies, key.handovers)
        self.views: dict[str, RoundView] = {}
        self.history = OpenedSets(terms, studies, key)
        self._began: dict[str, int] = {}  # the first entry of each view
        # Rounds that a later one follows, by their first entries; how many are let go of.
        self._passed: list[tuple[int, str]] = []
        self._n_past = 0
        self._opened: defaultdict[str, int] = defaultdict(int)  # the last of each study's openings
        self._touched: set[str] = set()  # studies that may go on, by their names
        # What follows from the entries alone is found once for all ticks until the next entry.
        self._going_on: list[StudyState] | None = None
        self._open: list[RoundView] | None = None
        self._due: dict[str, Awaited | None] = {}

    def receive(self, posted: Posted) -> None:
        """Take note of an entry, which the studies have taken note of already."""
        self._going_on = self._open = None
        self._due.clear()
        self.stated.receive(posted)
        session = posted.post.session
        named = read_session(session)
        if named.kind == "handover":
            self._touched.update(self.studies)
        if named.study not in self.studies:
            return
        self._touched.add(named.study)
        if named.kind != "round" or isinstance(posted.post.body, Surplus):
            return
        if session not in self.views:
            self._begin(session, posted.position)
        self._view(posted)
        self.history.receive(posted)

    def _begin(self, session: str, position: int) -> None:
        """A round is new, or was let go of and something is said in it again."""
        self.views[session], self._began[session] = RoundView(session), position
        if not (posts := [p for p in self._session(session) if p.position < position]):
            return
        self._began[session] = posts[0].position
        self.views = dict(sorted(self.views.items(), key=lambda item: self._began[item[0]]))
        for posted in posts:
            self._view(posted)
        if self.is_passed(session):
            self._pass_by(session)
        self.history.recall(session, posts)
        self._n_past -= 1

    def _view(self, posted: Posted) -> None:
        """Take note of an entry in its round alone."""
        session = posted.post.session
        self.views[session].receive(posted)
        if self.views[session].opening is posted:
            named = read_session(session)
            self.next_number(named.study)  # it knows of this one from now on
            self._pass_by(round_session(named.study, named.number - 1))

    def _pass_by(self, session: str) -> None:
        one = self._began.get(session, 0), session
        if session in self.views and one not in self._passed:
            insort(self._passed, one)

    # ── rounds that a later one of their study follows ──

    @property
    def count(self) -> int:
        """How many rounds there are, with those that were let go of."""
        return len(self.views) + self._n_past

    def let_go(self, kept: int) -> None:
        """Keep as many of them as that, the newest, and of the others what counts for later ones.

        One is recalled when something is said in it.
        """
        while len(self._passed) > kept:
            _, session = self._passed.pop(0)
            del self.views[session], self._began[session]
            self.history.let_go(session)
            self._n_past += 1

    @property
    def state(self) -> RoundsState:
        """What others go on from (``resume``)."""
        opened = tuple((name, self.next_number(name) - 1) for name in self.studies)
        return RoundsState(tuple(self.views), self.history.past, opened, self.count)

    def resume(self, state: RoundsState) -> None:
        """Go on as if all entries had been received up to a state of it, which the board has."""
        self._opened.update(state.opened)
        posts = [posted for session in state.held for posted in self._session(session)]
        for posted in sorted(posts, key=lambda posted: posted.position):
            session = posted.post.session
            if session not in self.views:
                self.views[session], self._began[session] = RoundView(session), posted.position
            self._view(posted)
        self.history.resume(state.past, posts)
        self._touched.update(self.studies)
        self._n_past = state.count - len(self.views)

    def state_of(self, view: RoundView) -> StudyState:
        """The study of a round, and what members have said of it."""
        return self.studies[view.study]

    def going_on(self) -> list[StudyState]:
        """The studies in which something is still to come, in their order.

        Of all others nothing is asked at a tick. A study is looked at again after each entry of its
        own, and all are after an entry about the key.
        """
        if self._going_on is None:
            self._touched = {n for n in self._touched if not self._is_over(self.studies[n])}
            states = (self.studies[name] for name in self._touched)
            self._going_on = sorted(states, key=lambda state: state.position)
        return self._going_on

    def _is_over(self, state: StudyState) -> bool:
        """Whether nothing is to come of a study, unless somebody says more in it."""
        return (self.is_done(state) or state.is_ended()) and not self._awaited_of(state)

    def is_done(self, state: StudyState) -> bool:
        """Whether the sum of a study's last round is decrypted, or lost in training."""
        last = self.views.get(state.study.round(state.study.rounds))
        is_lost = last is not None and self.is_lost(last) and self.goes_on_after(last)
        return is_lost or self.is_decrypted(state)

    def is_decrypted(self, state: StudyState) -> bool:
        """Whether a quorum has helped with the sum of a study's last round."""
        last = self.views.get(state.study.round(state.study.rounds))
        return last is not None and len(last.partials) >= self.terms.quorum

    def newest(self, count: int, first: Collection[str]) -> list[RoundView]:
        """The newest rounds, in the order in which they were begun; those of ``first`` come last.

        Of these there are so many at most, and as many others as there is room for.
        """
        matter = sorted((s for s in first if s in self.views), key=self._began.__getitem__)
        others = (s for s in reversed(self.views) if s not in first)
        room = max(0, count - len(matter))
        chosen = [*reversed([*islice(others, room)]), *matter[-count:]]
        return [self.views[session] for session in chosen]

    def next_number(self, name: str) -> int:
        """The round of a study that is to open next; past its last where all were opened."""
        number = self._opened[name] + 1
        while (view := self.views.get(round_session(name, number))) and view.opening:
            self._opened[name] = number
            number += 1
        return number

    def sessions(self) -> list[str]:
        """All of the rounds that no later one of their study follows."""
        return [session for session in self.views if not self.is_passed(session)]

    def is_passed(self, session: str) -> bool:
        """Whether a session is of a round, and a later one of its study was opened."""
        named = read_session(session)
        return named.kind == "round" and named.number < self.next_number(named.study) - 1

    # ── opening ──

    def to_open(self, epoch: Epoch, waited: Waited) -> list[tuple[str, Opening]]:
        """The rounds that open now, with their openings; of several studies at once."""
        found = ((state, self._next(state, epoch, waited)) for state in self.going_on())
        return [
            (state.study.round(self.next_number(state.study.name)), opening)
            for state, opening in found
            if opening is not None and _fits(opening, state.study, epoch)
        ]

    def _next(self, state: StudyState, epoch: Epoch, waited: Waited) -> Opening | None:
        """The opening of a study's next round, if it is due."""
        study, due = state.study, self._due_next(state)
        if due is None or not (due.step == "opening" or self._is_late(due, study, waited)):
            return None
        if not study.is_training:
            return opening_for(study, epoch.digest)
        # Those who state something else are not waited for: they may change it at any time.
        alike = list(self._before_next(study).agreed(study.least_agreeing).values())
        return _opening_after(alike, study, epoch) if alike else None

    def _due_next(self, state: StudyState) -> Awaited | None:
        """What is waited for before a study's next round opens; None if none can."""
        if (name := state.study.name) not in self._due:
            before = self._before_next(state.study)
            self._due[name] = awaited_after(before, state) if state.is_open() else None
        return self._due[name]

    def _is_late(self, due: Awaited, study: Study, waited: Waited) -> bool:
        """Whether it goes on without those who are waited for."""
        return due.until_ms > 0 and waited(due.since_ms) >= 1000 * study.plan.seconds

    def _before_next(self, study: Study) -> RoundView:
        """The last round that was opened, or the study's round 0, as far as it was spoken of."""
        session = self._last_session(study)
        return self.views.get(session) or RoundView(session)

    def _last_session(self, study: Study) -> str:
        return study.round(self.next_number(study.name) - 1)

    def too_long(self, epoch: Epoch) -> dict[str, int]:
        """Lengths of rounds that are to open, by session, that no contribution can have."""
        asked: list[tuple[Study, Opening]] = []
        for state in self.going_on():
            study = state.study
            if self.next_number(study.name) > study.rounds or state.is_ended():
                continue
            if not study.is_training:
                asked.append((study, opening_for(study, epoch.digest)))
                continue
            stated = self._before_next(study).statements.values()
            asked += [(study, _opening_after([said], study, epoch)) for said in stated]
        return {
            study.round(self.next_number(study.name)): opening.length
            for study, opening in asked
            if not _fits(opening, study, epoch)
        }

    def disagreement(self, name: str) -> dict[int, bytes]:
        """Who stands at which model in a study, where they do not agree."""
        view = self._before_next(self.studies[name].study)
        stated = {m: said.result for m, said in view.statements.items()}
        return stated if len(set(stated.values())) > 1 else {}

    # ── closing ──

    def open_hybrid(self) -> list[RoundView]:
        """The open rounds under a hybrid suite, whose vectors are added as they come."""
        return [view for view in self._unclosed() if is_hybrid(view)]

    def is_given_up(self, view: RoundView) -> bool:
        """Whether nothing will come of this round any more.

        Hospitals have gone on without it, to a later one of its study; or the key that it was
        opened under is handed over; or the study has ended, and too few help who had locked the
        round's sum by then.
        """
        if read_session(view.session).number < self.next_number(view.study) - 1:
            return True
        if self._bar_of(view):
            return True
        return self.state_of(view).is_ended() and not outlasts_end(view, self.terms)

    def is_lost(self, view: RoundView) -> bool:
        """Whether the key was handed over before a quorum had helped with the round's sum."""
        return is_lost(view, self.handovers, self.terms)

    def goes_on_after(self, view: RoundView) -> bool:
        """Whether a study keeps its model after a round that is lost: it trains.

        Not if the key went to another federation.
        """
        study, opened = self.state_of(view).study, view.opening
        is_refreshed = opened and self.handovers.refresh_since(opened.position)
        return study.is_training and bool(is_refreshed)

    def _bar_of(self, view: RoundView) -> str:
        """Why nobody helps with a round any more, for the sake of its key; empty if members may."""
        return self.handovers.help_bar(view.opening.position) if view.opening else ""

    def to_close(self, waited: Waited) -> list[RoundView]:
        """The open rounds that have all contributions, or enough of them and no more time."""
        return [view for view in self._unclosed() if self._is_due(view, waited)]

    def _unclosed(self) -> list[RoundView]:
        """The rounds that may be closed: of a study, only the last one that was opened."""
        if self._open is None:
            last = (self._last_session(state.study) for state in self.going_on())
            views = (view for session in last if (view := self.views.get(session)))
            self._open = [
                v for v in views if v.opening and not v.closing and not self.is_given_up(v)
            ]
        return self._open

    def _is_due(self, view: RoundView, waited: Waited) -> bool:
        state = self.state_of(view)
        found = awaited_in(view, state)
        if found is None or found.step == "sum":
            return found is not None
        return self._is_late(found, state.study, waited)

    # ── waiting ──

    def awaited(self) -> list[tuple[str, Awaited]]:
        """The sessions that are under way, and who is waited for, in the order of the studies.

        What is held back, is waited for otherwise (``protocol.rounds.history``). Nobody is waited
        for once another federation has the key.
        """
        if self.handovers.successor is not None:
            return []
        return [one for state in self.going_on() for one in self._awaited_of(state)]

    def _awaited_of(self, state: StudyState) -> list[tuple[str, Awaited]]:
        study, last = state.study, self._last_session(state.study)
        view = self.views.get(last)
        found: list[tuple[str, Awaited]] = []
        if view and not self.is_given_up(view) and (due := awaited_in(view, state)):
            found.append((last, due))
        before = self._before_next(study)
        is_over = not any(session == last for session, _ in found)
        if self.is_lost(before) and not self.goes_on_after(before):
            return found  # nobody has a model to state after it
        if is_over and (due := awaited_after(before, state)):
            found.append((study.round(self.next_number(study.name)), due))
        return found


def _opening_after(alike: Sequence[Statement], study: Study, epoch: Epoch) -> Opening:
    """The training round that goes on from what members have stated alike."""
    model, length = alike[0].result, alike[0].length
    suite, bounds = suite_for(study, length).name, bounds_of(alike, study)
    return Opening(study.digest, epoch.digest, model, length, suite, *bounds)


def _fits(opening: Opening, study: Study, epoch: Epoch) -> bool:
    """Whether a contribution to the round can be sent; else nobody could make one."""
    if not 1 <= opening.length <= MAX_LENGTH or chunk_count(opening, study) > MAX_CHUNKS:
        return False
    each = width_of(to_number(epoch.n) ** 2)
    numbers = expected_count(opening, study) + _PROOF_NUMBERS
    return numbers * each + _HEADER_BYTES <= MAX_BLOB_BYTES


def is_hybrid(view: RoundView) -> bool:
    """Whether a round has been opened under a hybrid suite."""
    opening = view.terms_of_opening
    return opening is not None and opening.suite != "paillier"
