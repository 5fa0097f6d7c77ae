"""Whether a round is under way that would be lost, or its model, if the key were frozen now."""

from protocol.board import Board, StudyState, of_kind
from protocol.messages import Opening
from protocol.rounds import RoundView, awaited_in


def has_open_rounds(board: Board) -> bool:
    """Whether any study's last round was opened under this key and is not over.

    One whose sum too many have refused to open is over.
    """
    return any(_is_open(board, state) for state in board.studies.values())


def has_unstated_models(board: Board) -> bool:
    """Whether a study's last sum is open, and too few have stated the model that it makes.

    No study of another federation could go on from that model.
    """
    return any(_is_unstated(board, state) for state in board.studies.values())


def _is_open(board: Board, state: StudyState) -> bool:
    view = _last_round(board, state)
    if view is None:
        return False
    found = awaited_in(view, state)
    return found is not None and not found.is_refused


def _is_unstated(board: Board, state: StudyState) -> bool:
    study, view = state.study, _last_round(board, state)
    if view is None or not study.is_training or state.is_ended():
        return False
    return len(view.partials) >= study.terms.quorum and not view.agreed(study.least_agreeing)


def _last_round(board: Board, state: StudyState) -> RoundView | None:
    """A study's last round, if it was opened under this key."""
    study = state.study
    number = 1
    while number < study.rounds and any(of_kind(board.session(study.round(number + 1)), Opening)):
        number += 1
    view = RoundView.of(study.round(number), board.session(study.round(number)))
    if view.opening is None or board.key.handovers.help_bar(view.opening.position):
        return None
    return view
