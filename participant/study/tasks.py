"""What a hospital says of a study: it proposes one, approves, takes that back, or ends it."""

from typing import ClassVar

from participant.agent import Task
from participant.disk import Storage
from participant.errors import NotApproved, OtherPlan, StudyTaken, UnpinnedApp
from participant.program import forget_beginning
from participant.study.app_source import GivenApp
from participant.study.approval import (
    KeptApproval,
    approval_name,
    check_app,
    forget_approval,
    keep_approval,
)
from participant.study.rules import ended_by_votes, find_study, require_kind, require_member
from participant.waiting import Waiting
from protocol.board import Board, Draft, Post, Posted, Study, StudyState, check_plan
from protocol.errors import BadPlan
from protocol.messages import Approval, Body, Ending, Plan, Training, Withdrawal, study_session
from protocol.terms import AGGREGATOR, Terms


class StudyTask(Task):
    """One word about one study; done when it stands on the board."""

    _word: ClassVar[type[Body]]

    def __init__(self, terms: Terms, index: int, name: str) -> None:
        """``index``: this hospital's number."""
        self.terms, self.index, self.name = terms, index, name
        self.session = study_session(name)
        self._board = Board(terms)

    @property
    def state(self) -> StudyState:
        """The study; raises UnknownStudy."""
        return find_study(self._board, self.name)

    def begin(self, board: Board) -> None:
        """Take note of the board."""
        self._board = board

    def waiting(self, board: Board) -> Waiting:
        """The aggregator, to show the word on the board."""
        return Waiting("task", (AGGREGATOR,))

    def needs(self, posted: Posted) -> bool:
        """Nothing: there is no payload in what is said of a study."""
        return False

    def explains(self, post: Post) -> bool:
        """Whether it is no word of this task's, but was left by another, or ``due`` says why."""
        return not isinstance(post.body, self._word) or self._is_overtaken

    @property
    def _is_overtaken(self) -> bool:
        """Whether what others have said meanwhile leaves no room for this task's word."""
        return False


class ProposalTask(StudyTask):
    """Proposes a plan under a name; nothing is approved by it."""

    _word = Plan

    def __init__(self, terms: Terms, index: int, name: str, plan: Plan) -> None:
        """Raises BadPlan for a plan that no study of the federation can have."""
        super().__init__(terms, index, name)
        check_plan(plan, terms)
        self._plan = plan
        self.study = Study(terms, name, plan)

    @property
    def done(self) -> bool:
        """Whether this very plan has the name, whoever has proposed it."""
        found = self._board.studies.get(self.name)
        return found is not None and found.study.digest == self.study.digest

    def due(self) -> Draft | None:
        """The plan; raises StudyTaken, and BadPlan for a start that is not on the board.

        Nothing until the key counts, if the plan starts from a model that comes with it.
        """
        if self.done or self._is_early:
            return None
        self._require_free()
        self._check_start()
        return Draft(self.session, self._plan)

    @property
    def _is_overtaken(self) -> bool:
        return self.name in self._board.studies

    @property
    def _is_early(self) -> bool:
        work, is_coming = self._plan.work, self.terms.takes_over_key and self._board.epoch is None
        return is_coming and isinstance(work, Training) and bool(work.start_federation)

    def _require_free(self) -> None:
        found = self._board.studies.get(self.name)
        if found is not None and not self.done:
            raise StudyTaken(self.name, self.terms.name_of(found.proposer))

    def _check_start(self) -> None:
        work = self._plan.work
        if not isinstance(work, Training) or not work.start_study:
            return
        if work.start_federation:
            if not self._board.key.inheritance.model_of(work):
                reason = f"no model of {work.start_study}/{work.start_round} was taken over"
                raise BadPlan("start", f"{reason} from the federation that is named")
            return
        found = self._board.studies.get(work.start_study)
        if found is None or not found.study.is_training:
            raise BadPlan("start", f"there is no study {work.start_study} that trains")
        if work.start_round > found.study.rounds:
            reason = f"study {work.start_study} has {found.study.rounds} rounds"
            raise BadPlan("start", f"{work.start_round}, and {reason}")


class ApprovalTask(StudyTask):
    """Approves a plan by its digest; what is approved is kept here before it is said.

    plan: the digest of what was looked at; None for whatever has the name. contribute: None for
    whether this hospital is among the plan's members. app: what is run here in training.
    unpinned: that a plan that trains leaves the app open is known, and agreed to.
    """

    _word = Approval

    def __init__(
        self,
        terms: Terms,
        index: int,
        name: str,
        storage: Storage,
        *,
        plan: bytes | None = None,
        contribute: bool | None = None,
        opens: bool = True,
        app: GivenApp | None = None,
        unpinned: bool = False,
    ) -> None:
        super().__init__(terms, index, name)
        self._storage, self._plan, self._app, self._unpinned = storage, plan, app, unpinned
        self._contribute, self._opens = contribute, opens
        self._is_kept = False

    @property
    def done(self) -> bool:
        """Whether it is kept here, and this hospital's last word on the board."""
        if not self._is_kept:
            return False
        word = self.state.word_of(self.index)
        return word is not None and (word.contribute, word.open) == self._wanted

    def due(self) -> Draft | None:
        """The approval. Raises UnknownStudy, OtherPlan, StudyEnded, NotInStudy, OtherApp.

        And UnpinnedApp, where the plan leaves the app open and nobody has agreed to that.
        """
        if self.done:
            return None
        contribute, opens = self._wanted
        self._check(contribute)
        app, digest = self._app, self.state.study.digest
        pinned = (app.name, app.digest) if app and app.can_be_kept else ("", b"")
        if not self._storage.names(approval_name(self.name)):
            # Of a program that began before the withdrawal came to the board.
            forget_beginning(self._storage, self.name)
        kept = KeptApproval(digest, contribute, opens, *pinned)
        keep_approval(self._storage, self.name, kept)
        self._is_kept = True
        return None if self.done else Draft(self.session, Approval(digest, contribute, opens))

    @property
    def _is_overtaken(self) -> bool:
        return self.state.is_ended()

    @property
    def _wanted(self) -> tuple[bool, bool]:
        contribute, members = self._contribute, self.state.study.members
        return (self.index in members if contribute is None else contribute), self._opens

    def _check(self, contribute: bool) -> None:
        study = self.state.study
        if self._plan is not None and self._plan != study.digest:
            raise OtherPlan(self.name, self._plan, study.digest)
        if self.state.is_ended():
            raise ended_by_votes(self.state)
        if contribute:
            require_member(self.state, self.index)
        if self._app:
            require_kind(self.state, "training")
            check_app(study, None, self._app)
        if study.is_training and not study.training.app and not self._unpinned:
            raise UnpinnedApp(self.name)


class WithdrawalTask(StudyTask):
    """Takes this hospital's approval back, from the next opening on."""

    _word = Withdrawal

    def __init__(self, terms: Terms, index: int, name: str, storage: Storage) -> None:
        super().__init__(terms, index, name)
        self._storage = storage
        self._is_forgotten = False

    @property
    def done(self) -> bool:
        """Whether nothing is approved any more, here and on the board."""
        return self._is_forgotten and not self._stands

    def due(self) -> Draft | None:
        """The withdrawal. Raises UnknownStudy, StudyEnded, and NotApproved for no approval."""
        if not self.state.words.get(self.index):
            raise NotApproved(self.name, "contribute")
        if self.state.is_ended() and self._stands:
            raise ended_by_votes(self.state)
        forget_approval(self._storage, self.name)
        forget_beginning(self._storage, self.name)
        self._is_forgotten = True
        digest = self.state.study.digest
        return Draft(self.session, Withdrawal(digest)) if self._stands else None

    @property
    def _is_overtaken(self) -> bool:
        return self.state.is_ended()

    @property
    def _stands(self) -> bool:
        return self.state.contributes(self.index) or self.state.opens(self.index)


class EndingTask(StudyTask):
    """Votes to end a study; it ends with the votes of lock_threshold holders."""

    _word = Ending

    @property
    def done(self) -> bool:
        """Whether this hospital's vote stands, or the study has ended without it."""
        found = self._board.studies.get(self.name)
        return found is not None and (self.index in found.endings or found.is_ended())

    def due(self) -> Draft | None:
        """The vote; raises UnknownStudy."""
        digest = self.state.study.digest
        return None if self.done else Draft(self.session, Ending(digest))

    @property
    def _is_overtaken(self) -> bool:
        return self.done
