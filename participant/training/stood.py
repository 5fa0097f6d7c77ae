"""Where a hospital stands after a round, in words that may be told outside, as its board has it."""

from participant.app import Stood
from participant.model import Model
from protocol.board import Board, Study
from protocol.rounds import RoundView

_TOLD = 8  # rounds before the last one, of whose sums is told, too


def told_standing(
    study: Study, board: Board, index: int, number: int, model: Model, reason: str
) -> tuple[dict[int, bool], Stood]:
    """In which of the last rounds' sums this hospital's update is, and where it stands.

    index: this hospital's number. number: the last round that is done, 0 before the first. reason:
    why the model has stayed as it was.
    """
    views = {k: _view(study, board, k) for k in range(max(0, number - _TOLD), number + 1)}
    sums = {k: index in view.contributors for k, view in views.items()}
    view, terms = views[number], study.terms
    names = tuple(map(terms.name_of, view.contributors))
    chosen = view.chosen(terms.federation) or b""
    return sums, Stood(number, model.digest, names, sums[number], chosen, reason)


def _view(study: Study, board: Board, number: int) -> RoundView:
    session = study.round(number)
    return RoundView.of(session, board.session(session))
