"""Whether a round is under way that would be lost if the key were frozen now."""

from protocol.board import Board, StudyState, of_kind
from protocol.messages import Opening
from protocol.rounds import RoundView, awaited_in


def has_open_rounds(board: Board) -> bool:
    """Whether any study's last round was opened under this key and is not over.

    One whose sum too many have refused to open is over.
    """
    return any(_is_open(board, state) for state in board.studies.values())


def _is_open(board: Board, state: StudyState) -> bool:
    study = state.study
    number = 1
    while number < study.rounds and any(of_kind(board.session(study.round(number + 1)), Opening)):
        number += 1
    view = RoundView.of(study.round(number), board.session(study.round(number)))
    if view.opening is None or board.key.handovers.help_bar(view.opening.position):
        return False
    found = awaited_in(view, state)
    return found is not None and not found.is_refused
