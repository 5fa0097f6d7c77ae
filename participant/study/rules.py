"""What this hospital has approved by its board, asked before it contributes, locks or releases."""

from participant.errors import NotApproved, NotInStudy, OtherKind, StudyEnded, UnknownStudy
from protocol.board import Board, StudyState


def find_study(board: Board, name: str) -> StudyState:
    """A study that was proposed; raises UnknownStudy."""
    found = board.studies.get(name)
    if found is None:
        raise UnknownStudy(name, tuple(board.studies))
    return found


def require_kind(state: StudyState, kind: str) -> None:
    """Raises OtherKind unless a study is of that kind."""
    if state.study.kind != kind:
        raise OtherKind(state.study.name, "training" if kind == "statistic" else "statistic")


def require_member(state: StudyState, index: int) -> None:
    """Raises NotInStudy unless a hospital may contribute to the study once it has approved."""
    study = state.study
    if index not in study.members:
        raise NotInStudy(study.name, study.terms.name_of(index))


def require_contributing(state: StudyState, index: int) -> None:
    """Raises NotApproved unless a hospital's approval to contribute stands now."""
    if not state.contributes(index):
        was = any(word.contribute for word in state.words.get(index, ()))
        raise NotApproved(state.study.name, "contribute", was)


def require_opening(state: StudyState, index: int) -> None:
    """Raises NotApproved unless a hospital's approval to open sums stands now."""
    if not state.opens(index):
        was = any(word.open for word in state.words.get(index, ()))
        raise NotApproved(state.study.name, "open", was)


def ended_by_votes(state: StudyState, finished: int = 0) -> StudyEnded:
    """Who ended a study; finished: the last round whose model, or sum, is here."""
    name_of = state.study.terms.name_of
    return StudyEnded(state.study.name, tuple(map(name_of, state.endings)), finished)
