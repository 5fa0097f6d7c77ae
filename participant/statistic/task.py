"""Contributing numbers to a statistic, as its plan asks for them."""

from collections.abc import Mapping
from typing import NoReturn

from gmpy2 import mpz

from keyshare.errors import UnfitNumber
from participant.agent import Task
from participant.disk import Storage
from participant.errors import ApprovedLate, LostRound, UnfitNumbers
from participant.rounds import ContributionMaker, other_rounds_waiting, session_waiting
from participant.statistic.numbers import Numbers
from participant.statistic.plan_fit import OTHER_STUDY, misfit
from participant.statistic.same_numbers import SameNumbers
from participant.study import (
    ended_by_votes,
    find_study,
    require_contributing,
    require_kind,
    require_member,
)
from participant.waiting import Waiting
from protocol.board import Board, Draft, Post, Posted, Study, StudyState
from protocol.key import Epoch, HeldKeys
from protocol.messages import Near, Opening, Statistic, round_session
from protocol.rounds import OpenedSets, RoundView, is_lost, opening_for
from protocol.terms import AGGREGATOR, Terms
from protocol.words.counted import counted


class StatisticTask(Task):
    """One hospital's contribution to one statistic; done when it is on the board.

    It waits for the end of all other rounds over the same data, or the same numbers.
    """

    def __init__(
        self,
        terms: Terms,
        name: str,
        keys: HeldKeys,
        numbers: Numbers,
        storage: Storage,
        secret: bytes,
    ) -> None:
        """``name``: the study's. secret: of the hospital, by which it knows its numbers again."""
        self.name, self._keys, self._index = name, keys, keys.index
        self._numbers, self._storage = numbers, storage
        self._same = SameNumbers(secret, storage)
        self.session = round_session(name, 1)
        self.view = RoundView(self.session)
        self.sent = False  # whether these very numbers are the contribution
        self._board, self._history = Board(terms), OpenedSets(terms)
        self._near: tuple[Posted | None, Near] | None = None  # since which own post
        self._unended: tuple[str, ...] = ()  # rounds that the contribution waits for

    @property
    def state(self) -> StudyState:
        """The study; raises UnknownStudy."""
        return find_study(self._board, self.name)

    @property
    def plan(self) -> Statistic:
        """What the study adds; raises UnknownStudy."""
        return self.state.study.statistic

    @property
    def done(self) -> bool:
        """Whether the contribution is on the board."""
        return self._index in self.view.contributions

    def waiting(self, board: Board) -> Waiting:
        """Approvals, the opening, or other rounds over the same."""
        if self.name not in board.studies:
            return Waiting("board", (AGGREGATOR,))
        if self._unended:
            return other_rounds_waiting(self.view, self._unended, board)
        return session_waiting(self.session, self.state, board)

    def begin(self, board: Board) -> None:
        """Take note of the board."""
        self._board = board
        self._history = OpenedSets.of(board)

    def needs(self, posted: Posted) -> bool:
        """Nothing: who contributes does not read what others do."""
        return False

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take note of an entry."""
        self.view.receive(posted)

    def due(self) -> Draft | None:
        """The contribution, once the round is open and no other over the same is.

        Raises UnknownStudy, OtherKind, NotInStudy, NotApproved, ApprovedLate, StudyEnded and
        LostRound; and UnfitNumbers if the study does not take these numbers, or does no more.
        """
        if self.done:
            return None
        plaintexts = self._checked()
        opening = self.view.opening
        if opening is None:
            return None
        key = self._keys.of(opening.post.body.epoch) or self._keys.current
        self._check_round(opening, key.epoch)
        study = self.state.study
        near = self._near_now(study)
        self._unended = self._history.unended(self.view, self._index, near)
        if self._unended:
            return None
        self._same.keep(study, self._numbers.values)
        maker = ContributionMaker(study, *key, self._storage, near)
        self.sent = True
        return maker.make_statistic(plaintexts, opening)

    def _near_now(self, study: Study) -> Near:
        """What the contribution names; looked for again where this hospital has said more since.

        While it waits for other rounds, the same numbers may go to another study.
        """
        last = self._board.last_of(self._index)
        if self._near is None or self._near[0] is not last:
            place = self._history, self._board, self._index, study
            self._near = last, self._same.near(*place, self._numbers.values)
        return self._near[1]

    def explains(self, post: Post) -> bool:
        """Whether a post crossed with the study's end; ``due`` raises that."""
        return self.name in self._board.studies and self.state.is_ended()

    def _checked(self) -> list[mpz]:
        """The numbers as plaintexts, if this hospital may contribute them."""
        state, index = self.state, self._index
        require_kind(state, "statistic")
        require_member(state, index)
        if state.is_ended():
            raise ended_by_votes(state)
        if is_lost(self.view, self._board.key.handovers, self._board.terms):
            raise LostRound(self.name, self.view.name)
        require_contributing(state, index)
        if found := misfit(self._numbers, self.plan, self.name):
            self._refuse(*found)
        return self._plaintexts()

    def _check_round(self, opening: Posted[Opening], epoch: Epoch) -> None:
        """The round is as the plan says, under this epoch, and takes contributions."""
        if self.view.closing:
            self._refuse(f"the round of study {self.name} is closed already", OTHER_STUDY)
        if opening.post.body != opening_for(self.state.study, epoch.digest):
            self._refuse(
                f"study {self.name} was opened otherwise than planned, or under another key than "
                "this hospital's",
                OTHER_STUDY,
            )
        if not self.state.contributes(self._index, opening.position):
            raise ApprovedLate(self.name, self.view.name)

    def _plaintexts(self) -> list[mpz]:
        n, members = self._keys.current.epoch.joint_key().n, len(self.state.study.members)
        try:
            return self._numbers.plaintexts(self.plan.decimals, members, n)
        except UnfitNumber as error:
            self._refuse(
                error.reason,
                f"round the numbers to {counted(self.plan.decimals, 'decimal')}, as the study has "
                "them. Another study can have more",
            )

    def _refuse(self, reason: str, remedy: str) -> NoReturn:
        raise UnfitNumbers(self._numbers.path, reason, remedy)
