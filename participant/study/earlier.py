"""To which rounds this hospital has contributed, as its board has it.

What came after the closing is in no sum, and what it names as near is said to nobody: it counts for
nothing here, or else a later contribution would rely on it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from protocol.board import Board, Study
from protocol.messages import MAX_NEAR, Contribution, Opening, read_session
from protocol.rounds import RoundView


@dataclass(frozen=True)
class Earlier:
    """A round with a contribution of this hospital's, and which ones that has named as near."""

    study: Study
    number: int
    session: str
    opening: Opening
    near: tuple[str, ...]


def earlier_rounds(board: Board, index: int, study: Study) -> list[Earlier]:
    """Those of other studies of its kind, the newest first; ``index``: this hospital's number."""
    found = []
    for session, view, body in _contributions(board, index, lambda name: name != study.name):
        named = read_session(session)
        other, opening = board.studies[named.study].study, view.terms_of_opening
        if other.kind == study.kind and opening is not None:
            found.append(Earlier(other, named.number, session, opening, body.near))
    return found


def has_contributed(board: Board, index: int, study: Study) -> bool:
    """Whether a contribution of this hospital's to some round of a study counts."""
    return any(_contributions(board, index, lambda name: name == study.name))


def _contributions(
    board: Board, index: int, is_of: Callable[[str], bool]
) -> Iterator[tuple[str, RoundView, Contribution]]:
    """Those of this hospital's that came before the closing, the newest first.

    is_of: whether they are asked for, by the study's name.
    """
    for posted in reversed(board.entries):
        body, session = posted.post.body, posted.post.session
        if posted.post.sender != index or not isinstance(body, Contribution):
            continue
        if is_of(read_session(session).study):
            view = RoundView.of(session, board.session(session))
            if view.contributions.get(index) is posted:
                yield session, view, body


def representatives(
    among: Sequence[Earlier], is_near: Callable[[Earlier], bool]
) -> tuple[str, ...]:
    """The sessions that a contribution names, for all rounds that are near: one of each class.

    among: the newest first. What a round named as near itself, and what started where it did, need
    not be named again, nor looked at. In ascending order, MAX_NEAR at most: the newest. A full list
    stands for all of them (protocol/rounds/history.py).
    """
    by_session = {one.session: one for one in among}
    named, covered = list[str](), set[str]()
    for one in among:
        if len(named) == MAX_NEAR:
            break
        if one.session not in covered and is_near(one):
            named.append(one.session)
            covered |= _class_of(one, by_session)
    return tuple(sorted(named))


def _class_of(one: Earlier, by_session: dict[str, Earlier]) -> set[str]:
    """The sessions of one class, as far as this hospital's contributions join them."""
    found, due = set[str](), [one]
    while due:
        next_one = due.pop()
        if next_one.session in found:
            continue
        found.add(next_one.session)
        for other in by_session.values():
            is_joined = other.session in next_one.near or next_one.session in other.near
            if is_joined or _start(other) == _start(next_one):
                due.append(other)
    return found


def _start(one: Earlier) -> tuple[str, object]:
    if one.study.is_training:
        return "model", one.opening.model
    return "data", one.study.statistic.data
