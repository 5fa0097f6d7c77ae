"""What is due in the studies that this hospital has approved: training, and help with sums."""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import NoReturn

from participant.errors import NotAgreed, ParticipantError
from participant.home import Membership
from participant.rounds import DecryptionTask, Question
from participant.service.due import Due
from participant.study import (
    GivenApp,
    KeptApproval,
    Surroundings,
    check_app,
    given_app,
    is_agreed,
    kept_approval,
)
from participant.training import TrainingTask
from protocol.board import Board, Study, StudyState
from protocol.key import HeldKeys
from protocol.messages import Statement, read_session
from protocol.rounds import OpenedSets, RoundView, is_lost, outlasts_end

MakeTraining = Callable[[str, HeldKeys, GivenApp], TrainingTask]


class Duties:
    """Looks again and again at a board that grows, and reads of it what has changed."""

    def __init__(
        self, member: Membership, make: MakeTraining, around: Callable[[str], Surroundings]
    ) -> None:
        """``around``: what the app of a study is run in."""
        self._member, self._make, self._around = member, make, around
        self._over = set[str]()  # studies whose last model this hospital has stated
        self._looked: dict[str, tuple[object, bool]] = {}  # rounds, as of when, and what was found

    def due(
        self,
        board: Board,
        keys: HeldKeys,
        at_work: Container[str],
        has_failed: Callable[[Due], bool] = lambda due: False,
    ) -> list[Due]:
        """Training with the app that was approved here, and sums that this hospital helps to open.

        Training that a person began with an app is no business of this one's, and what a person
        contributes to a statistic is not. Where training has failed, sums are still helped with.
        """
        found, wanting = list[Due](), OpenedSets.of(board).wanting(self._member.index)
        for state in board.studies.values():
            if state.study.session in at_work:
                continue
            training = self._training(board, state, keys)
            if training and not has_failed(training):
                found.append(training)
            else:
                sessions = wanting.get(state.study.name, ())
                found += self._sums(board, state, sessions, keys, at_work)
        return found

    # ── training ──

    def _training(self, board: Board, state: StudyState, keys: HeldKeys) -> Due | None:
        study, index = state.study, self._member.index
        if not study.is_training or not state.contributes(index) or state.is_ended():
            return None
        if study.name in self._over or _is_over(board, study, index):
            self._over.add(study.name)
            return None
        word = state.word_of(index)
        since = word.position if word else 0
        try:
            kept = kept_approval(self._member.storage, study.name)
        except ParticipantError as error:  # of this study alone
            return _failing(study.session, since, error)
        agreed = is_agreed(study, kept)
        if kept is None or not agreed or not kept.app:
            return None
        app = _Approved(study, kept, self._around(study.name))
        make = lambda: self._make(study.name, keys, app.ready)  # noqa: E731
        return Due(study.session, make, since, app.begin, app.close)

    # ── sums ──

    def _sums(
        self,
        board: Board,
        state: StudyState,
        sessions: Iterable[str],
        keys: HeldKeys,
        at_work: Container[str],
    ) -> Iterator[Due]:
        """sessions: of rounds in which more may be wanted of this hospital."""
        member, study = self._member, state.study
        handed = [handover.view.attempt.outcome for handover in board.key.handovers.all]
        for session in sessions:
            number, entries = read_session(session).number, board.session(session)
            word = state.word_of(member.index)
            now = len(entries), word, state.is_ended(), handed
            if self._looked.get(session, (None, False))[0] != now:
                view = RoundView.of(session, entries)
                self._looked[session] = now, _helps(view, state, board, member.index)
            if self._looked[session][1] and session not in at_work:
                place = member.terms, study.name, number, keys, member.storage, _agrees
                yield Due(
                    session,
                    lambda place=place: DecryptionTask(*place),  # type: ignore[misc]
                    word.position if word else 0,
                )


class _Approved:
    """The app that was approved, and no other: nothing of it has run before ``begin``."""

    def __init__(self, study: Study, kept: KeptApproval, around: Surroundings) -> None:
        self._study, self._kept, self._around = study, kept, around
        self._app: GivenApp | None = None
        self._is_closed = False

    def begin(self) -> None:
        """Have it give the model that it begins with; raises what is wrong with it."""
        app = given_app(self._kept.app, self._around)
        check_app(self._study, self._kept, app)
        self._app = app
        if self._is_closed:  # while it was read
            app.close()
        app.prepare(self._study)

    @property
    def ready(self) -> GivenApp:
        """What has begun."""
        assert self._app is not None
        return self._app

    def close(self) -> None:
        """End its process, if it has one already; it begins with none any more."""
        self._is_closed = True
        if self._app is not None:
            self._app.close()


def _failing(session: str, since: int, error: Exception) -> Due:
    def fail() -> NoReturn:
        raise error

    return Due(session, fail, since, fail)


def _is_over(board: Board, study: Study, index: int) -> bool:
    """Whether this hospital has stated the model of the last round."""
    entries = board.session(study.round(study.rounds))
    return any(p.post.sender == index and isinstance(p.post.body, Statement) for p in entries)


def _helps(view: RoundView, state: StudyState, board: Board, index: int) -> bool:
    """Whether a sum that is about to be opened, or opened, wants something of this hospital."""
    study = state.study
    if view.opening is None or view.closing is None or index in view.refusals:
        return False
    if state.is_ended() and not outlasts_end(view, study.terms):
        return False
    if is_lost(view, board.key.handovers, study.terms):
        return False
    if not state.opens(index) and index not in view.lock_posts:
        return False
    if not study.is_training and state.contributes(index):
        return index not in view.statements
    return index not in view.partials and len(view.unquestioned) < study.terms.quorum


def _agrees(question: Question) -> bool:
    """The approval of the study is the agreement, but for what it could not foresee."""
    if question.warning:
        raise NotAgreed(f"to decrypt {question.round_name}: {question.warning}")
    return True
