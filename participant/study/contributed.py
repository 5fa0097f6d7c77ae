"""What counts of this hospital's contributions on a board, and a note of it for the board after.

When the key goes to another federation the note is put into that one's folder. It says in which
folder what was contributed lies, and nothing of what it was. The next one takes it over.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, NamedTuple

from msgspec import Meta

from participant.disk import Storage
from participant.errors import TooLarge
from participant.home import folder_name
from protocol.board import Board, Study
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import (
    Clip,
    Contribution,
    Count,
    Digest,
    InheritedStart,
    StudyName,
    read_session,
)
from protocol.rounds import OpenedSets, RoundView, Start

_NAME = "contributed-before"
_MOST = 200_000  # contributions that are noted, the newest
_MAX_BYTES = 64 << 20


class ContributedBefore(Message, frozen=True):
    """A contribution of this hospital to a round of a federation before.

    federation: its digest. plan: that of the study's. begun: the digest of the plan with which the
    study's line began: its own, or that of the first of those that it goes on from. clip: the bound
    of a weight's change.
    """

    federation: Digest
    study: StudyName
    number: Count
    start: InheritedStart
    plan: Digest
    begun: Digest
    clip: Clip


class _Note(Message, frozen=True):
    contributed: Annotated[tuple[ContributedBefore, ...], Meta(max_length=_MOST)]


class Kept(NamedTuple):
    """Where a contribution lies that this hospital has made, if it is still there.

    plan: the digest of the study's. begun: of the first plan of the studies that went on from one
    another over federations. clip: the bound of a weight's change in the round. read: what lies
    under a name in the folder of that federation, None if nothing does.
    """

    study: str
    number: int
    plan: bytes
    begun: bytes
    clip: float
    read: Callable[[str], bytes | None]


class Counted(NamedTuple):
    """A contribution that came before the closing, to a round that starts from this."""

    study: Study
    number: int
    session: str
    start: Start
    clip: float

    def kept(self, storage: Storage) -> Kept:
        """Where it lies; storage: this federation's."""
        plan = self.study.digest
        return Kept(self.study.name, self.number, plan, plan, self.clip, storage.read)


def counted_contributions(
    board: Board, index: int, is_of: Callable[[Study], bool] = lambda study: True
) -> Iterator[Counted]:
    """Those of member ``index``, the newest first; is_of: of which studies they are asked for."""
    history = OpenedSets(board.terms)
    history.follow(board)
    for posted in reversed(board.entries):
        body, session = posted.post.body, posted.post.session
        if posted.post.sender != index or not isinstance(body, Contribution):
            continue
        named = read_session(session)
        study = board.studies[named.study].study
        if is_of(study):
            view = RoundView.of(session, board.session(session))
            if view.contributions.get(index) is posted:
                assert view.opening is not None
                clip = view.opening.post.body.clip
                yield Counted(study, named.number, session, history.start(view), clip)


def note_contributed(board: Board, index: int, old: Storage, new: Storage) -> None:
    """Note durably, for the new federation, all that counts as a member's; again with that outcome.

    index: of who has this hospital's name on the old board. old, new: the federations' folders.
    """
    older = _read(old)
    found = [
        ContributedBefore(
            board.terms.federation,
            one.study.name,
            one.number,
            InheritedStart(*one.start),
            one.study.digest,
            _begun(one.study, older),
            one.clip,
        )
        for one in counted_contributions(board, index)
    ]
    note = _Note((*found, *older)[:_MOST])
    new.write(_NAME, encode(note))


def contributed_before(storage: Storage) -> Mapping[Start, list[Kept]]:
    """What is noted, by what it started from; nothing of a note that is lost or damaged."""
    found = defaultdict[Start, list[Kept]](list)
    for one in _read(storage):
        read = partial(storage.read_beside, folder_name(one.federation))
        kept = Kept(one.study, one.number, one.plan, one.begun, one.clip, read)
        found[Start(one.start.kind, one.start.name)].append(kept)
    return found


def begun_by(study: Study, storage: Storage) -> bytes:
    """The digest of the first plan of a study's line, as far as this hospital was in it."""
    return _begun(study, _read(storage))


def _begun(study: Study, noted: Sequence[ContributedBefore]) -> bytes:
    if study.is_training and (before := study.training.start_federation):
        place = before, study.training.start_study
        found = (one.begun for one in noted if (one.federation, one.study) == place)
        return next(found, study.digest)
    return study.digest


def _read(storage: Storage) -> tuple[ContributedBefore, ...]:
    try:
        data = storage.read(_NAME)
        return decode(data, _Note, "note", _MAX_BYTES).contributed if data else ()
    except (Malformed, TooLarge):
        return ()
