"""A hospital's part in a study that trains, from its approval to the end of the study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from participant.agent import Task
from participant.app import App
from participant.disk import Storage
from participant.errors import VectorsGone
from participant.model import model_name
from participant.pruning import SampledModels
from participant.rounds import Reading
from participant.study import (
    GivenApp,
    check_app,
    ended_by_votes,
    find_study,
    is_agreed,
    kept_approval,
    require_contributing,
    require_kind,
    require_member,
)
from participant.training.course import StudyCourse
from participant.training.round_in_progress import RoundInProgress
from participant.training.stance import Report
from participant.waiting import Waiting
from protocol.board import Board, Draft, Post, Posted
from protocol.key import HeldKeys
from protocol.messages import read_session, study_session
from protocol.terms import AGGREGATOR, Terms


class TrainingTask(Task):
    """Takes part in all rounds of one study; done after the last, or raises how it ends before.

    No code of the app runs before this hospital has approved the plan, and only of the app that
    the plan or the approval says. Who has approved late catches up from the first round.
    """

    def __init__(
        self,
        terms: Terms,
        name: str,
        keys: HeldKeys,
        app: App | GivenApp,
        storage: Storage,
        secret: bytes,
        report: Report = lambda number, event, facts: None,
    ) -> None:
        """``name``: the study's. secret: as of ``SampledModels``."""
        self.name, self._keys, self._storage, self._report = name, keys, storage, report
        self._samples = SampledModels(secret, storage)
        self._app, self._board = _given(app), Board(terms)
        self._course: StudyCourse | None = None

    @property
    def done(self) -> bool:
        """Whether the last round's model is stored here and stated on the board."""
        return self._course is not None and self._course.done

    @property
    def finished(self) -> int:
        """The last round whose model is here."""
        return self._course.finished if self._course else 0

    @property
    def parameters(self) -> Any:
        """The model that this hospital stands at, as its app is given it."""
        return self._known.parameters

    def parameters_after(self, number: int) -> Any:
        """The model after a round that is done, as the app is given it; raises ModelLetGo."""
        return self._known.parameters_after(number)

    @property
    def current(self) -> RoundInProgress | None:
        """The round that leads to the next model, once anything of it is here."""
        return self._course.current if self._course else None

    @property
    def differing(self) -> tuple[int, ...]:
        """The members that state another model than this hospital's."""
        return self._course.differing if self._course else ()

    @property
    def reading(self) -> Reading | None:
        """How much of a vector is read, while the round's sum is being opened or checked."""
        return self._course.reading if self._course else None

    def waiting(self, board: Board) -> Waiting:
        """The round that is open, else the opening of the next."""
        return self._course.waiting(board) if self._course else Waiting("task", (AGGREGATOR,))

    def begin(self, board: Board) -> None:
        """Look for the study. Raises OtherKind, NotInStudy, OtherApp, BadApp, NoStart.

        And ForeignModel or DamagedFile for the models that are stored here.
        """
        self._board = board
        self._find()

    def _find(self) -> None:
        """Go into the study once this hospital approves it; its word may be on its way."""
        state = self._board.studies.get(self.name)
        if self._course is not None or state is None:
            return
        require_kind(state, "training")
        index, kept = self._keys.index, kept_approval(self._storage, self.name)
        require_member(state, index)
        if not is_agreed(state.study, kept) and not state.contributes(index):
            return
        check_app(state.study, kept, self._app)
        app, turns, report = self._app.load(state.study), self._app.turns(), self._report

        def tell(number: int, event: str, facts: dict[str, Any]) -> None:
            report(number, event, facts)
            turns.hear(number, event, facts)

        place = self._samples, tell, self._board
        self._course = StudyCourse(state, self._keys, app, turns, *place)

    @property
    def app_digest(self) -> bytes:
        """The SHA-256 of the app's file or folder, 32 bytes; empty for what is none."""
        return self._app.digest

    @property
    def app_identity(self) -> bytes:
        """What tells the app from another one."""
        return self._app.identity

    def close(self, error: Exception | None = None) -> None:
        """End the app's process, if it has one; in any thread. error: what has ended this task."""
        self._app.close(error)

    def finish(self, error: Exception | None) -> Path | None:
        """Let programs at a socket still ask what came of it, until ``close``: at this path."""
        return self._app.finish(error)

    def wants(self, session: str) -> bool:
        """What is said of the study, and in the rounds that this hospital has not finished."""
        named = read_session(session)
        if named.study != self.name:
            return False
        return named.kind == "study" or self._course is None or self._course.wants(named.number)

    def needs(self, posted: Posted) -> bool:
        """Contributions to an open round, and parts of a closed one, that are not there yet."""
        is_said_of_study = posted.post.session == study_session(self.name)
        return self._course is not None and not is_said_of_study and self._course.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises ModelMismatch if the round does not start from this hospital's model.

        Raises Refused once this hospital's refusal to help with the round is on the board.
        """
        self._find()
        if self._course is not None and posted.post.session != study_session(self.name):
            self._course.receive(posted, payloads)

    def due(self) -> Draft | None:
        """What ``StudyCourse.due`` gives. Raises UnknownStudy, OtherKind, NotInStudy, NotApproved.

        And StudyEnded. What this hospital has locked, it releases before that.
        """
        self._find()
        if (course := self._course) is None:
            state = find_study(self._board, self.name)
            require_contributing(state, self._keys.index)
            return None
        if draft := course.due():
            return draft
        if not course.done and not course.is_bound:
            if course.state.is_ended() and not course.awaits_sum:
                raise ended_by_votes(course.state, course.finished)
            if not course.state.is_ended():
                require_contributing(course.state, self._keys.index)
        return None

    def explains(self, post: Post) -> bool:
        """Whether a post crossed with the study's end, as ``due`` says, or was not this task's."""
        is_over = self._course is not None and self._course.state.is_ended()
        return is_over or post.session == study_session(self.name)

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """The next chunks of the vector that is being read: the own one, the sum, another's."""
        return self._course.wanted_blobs() if self._course else ()

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Take the next chunk: one of the sum is opened and applied."""
        self._known.receive_blob(data)

    def blob_absent(self, name: bytes) -> None:
        """Raises VectorsGone for a vector of the round whose model is next."""
        if self._course is None or name not in {wanted for wanted, _ in self.wanted_blobs()}:
            return super().blob_absent(name)
        study, number = self._course.study, self._course.finished + 1
        kept, opened = study.training.keep_vectors, self._board.opened(self.name)
        is_due = number > opened - 1 - kept
        place = model_name(self.name, max(number, opened - 1))
        raise VectorsGone(f"{self.name}/{number}", kept, is_due, place)

    @property
    def _known(self) -> StudyCourse:
        assert self._course is not None
        return self._course


def _given(app: App | GivenApp) -> GivenApp:
    if isinstance(app, GivenApp):
        return app
    return GivenApp(type(app).__name__, b"", lambda study: app)
