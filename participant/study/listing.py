"""How the studies of a federation stand, as this hospital's board has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from participant.agent import Task
from participant.waiting import Waiting
from protocol.board import Board, Posted, Study, StudyState
from protocol.rounds import RoundView, is_locked, is_lost
from protocol.terms import AGGREGATOR

Phase = Literal["proposed", "open", "over", "ended"]


@dataclass(frozen=True)
class StudyStanding:
    """One study; members by name.

    phase: "proposed" while too few approve, "open" for rounds, "over" once the sum of the last one
    is locked by enough, or it is lost in training, "ended" by votes. contributors, openers: whose
    approval stands. votes: to end it. contributes, opens: what this hospital has approved.
    withdrawn: that it has taken all of that back. opened, locked: the last round that was opened,
    and the last whose sum enough have locked; 0 for none.
    """

    study: Study
    proposer: str
    phase: Phase
    contributors: tuple[str, ...]
    openers: tuple[str, ...]
    votes: tuple[str, ...]
    contributes: bool
    opens: bool
    withdrawn: bool
    opened: int
    locked: int


def standing_of(board: Board, state: StudyState, index: int) -> StudyStanding:
    """How a study stands; ``index``: this hospital's number."""
    study, name_of = state.study, state.study.terms.name_of
    opened = board.opened(study.name)
    while opened < study.rounds and _view(board, study, opened + 1).opening is not None:
        opened += 1
    locked = over = 0
    for number in range(opened, 0, -1):  # rounds long ago are not looked at
        view = _view(board, study, number)
        locked = locked or (number if is_locked(view, study.terms) else 0)
        over = over or (number if _is_over(view, board, study) else 0)
        if locked and over:
            break
    return StudyStanding(
        study,
        name_of(state.proposer),
        _phase(state, over),
        tuple(map(name_of, state.contributors())),
        tuple(map(name_of, state.openers())),
        tuple(map(name_of, state.endings)),
        state.contributes(index),
        state.opens(index),
        state.has_approved(index) and not (state.contributes(index) or state.opens(index)),
        opened,
        locked,
    )


def _view(board: Board, study: Study, number: int) -> RoundView:
    session = study.round(number)
    return RoundView.of(session, board.session(session))


def _is_over(view: RoundView, board: Board, study: Study) -> bool:
    """Whether a study has what comes of a round: in training, the model before if it is lost."""
    if is_lost(view, board.key.handovers, study.terms):
        return study.is_training
    return is_locked(view, study.terms)


def _phase(state: StudyState, over: int) -> Phase:
    """``over``: the last round that is over."""
    if state.is_ended():
        return "ended"
    if over == state.study.rounds:
        return "over"
    return "open" if state.is_open() else "proposed"


class ListingTask(Task):
    """Reads the board, and says nothing; done when it is read."""

    def __init__(self, index: int) -> None:
        """``index``: this hospital's number."""
        self._index = index
        self._board: Board | None = None

    @property
    def done(self) -> bool:
        return self._board is not None

    @property
    def found(self) -> Mapping[str, StudyStanding]:
        """All studies by name, in the order in which they were proposed."""
        if (board := self._board) is None:
            return {}
        return {name: standing_of(board, s, self._index) for name, s in board.studies.items()}

    def waiting(self, board: Board) -> Waiting:
        """The aggregator, for the rest of the board."""
        return Waiting("board", (AGGREGATOR,))

    def begin(self, board: Board) -> None:
        """Take note of the board."""
        self._board = board

    def wants(self, session: str) -> bool:
        """Nothing: what the board has by then is what is told."""
        return False

    def needs(self, posted: Posted) -> bool:
        return False
