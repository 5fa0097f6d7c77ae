"""What this hospital has contributed to other rounds, here and in the federations before.

Of this board it is known from what counts there. What came after the closing is in no sum, and what
it names as near is said to nobody: it counts for nothing here, or else a later contribution would
rely on it. Of the federations before, those who took their sums over know from what this hospital
has added. Where that lies was noted here. What was not noted, or is there no more, nobody knows.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from participant.disk import Storage
from participant.study.contributed import Kept, contributed_before, counted_contributions, rounds_to
from protocol.board import Board, Study
from protocol.messages import MAX_NEAR, Near, read_session
from protocol.rounds import OpenedSets, Start


@dataclass(frozen=True)
class Earlier:
    """A round with a contribution of this hospital's, or what it added from in federations before.

    kept: of the round, or of all rounds of that start; none where nobody here knows what it was.
    study, session: of a round of this board. place: of a start of the federations before, among all
    of theirs.
    """

    start: Start
    kept: Sequence[Kept]
    study: Study | None = None
    session: str = ""
    place: int = 0


def earlier_rounds(
    history: OpenedSets, board: Board, index: int, study: Study, storage: Storage
) -> list[Earlier]:
    """Those of other studies of its kind, the newest first; ``index``: this hospital's number.

    A study that goes on from one of a federation before is none other than that, up to the model
    that it begins with. With all other rounds it is compared: it may train these again.
    """

    def is_of(other: Study) -> bool:
        return other.name != study.name and other.kind == study.kind

    here = [
        Earlier(one.start, (one.kept(storage),), one.study, one.session)
        for one in counted_contributions(history, board, index, is_of)
    ]
    kind, added = ("model" if study.is_training else "data"), history.added_before(index)
    known = contributed_before(storage) if added else {}
    led_here = rounds_to(study, board, storage) if added else {}
    before = [
        Earlier(start, known.get(start, ()), place=place)
        for place, start in reversed(added)
        if start.kind == kind
    ]
    return here + [one for one in before if not _has_led(one, led_here)]


def _has_led(one: Earlier, rounds: Mapping[tuple[bytes, str], int]) -> bool:
    """Whether all that was added from a start was to rounds that led to a study's first model."""
    return bool(one.kept) and all(
        kept.number <= rounds.get((kept.federation, kept.study), 0) for kept in one.kept
    )


def has_contributed(history: OpenedSets, index: int, study: Study) -> bool:
    """Whether a contribution of this hospital's to some round of a study counts."""
    sessions = (one.session for one in history.contributed(index))
    return any(read_session(session).study == study.name for session in sessions)


def representatives(
    among: Sequence[Earlier],
    is_near: Callable[[Earlier], bool],
    alike: Callable[[Start], Collection[Start]],
) -> Near:
    """What a contribution names, for all that is near: one of each class.

    among: the newest first. alike: the starts that are one with one for this hospital already: of
    these one alone is named, and looked at. MAX_NEAR at most: the newest. A full list stands for
    all of them (protocol/rounds/history.py).
    """
    named, covered = list[Earlier](), set[Start]()
    for one in among:
        if len(named) == MAX_NEAR:
            break
        if one.start not in covered and is_near(one):
            named.append(one)
            covered.update(alike(one.start))
    rounds = sorted(one.session for one in named if one.session)
    return Near(tuple(rounds), tuple(sorted(one.place for one in named if not one.session)))
