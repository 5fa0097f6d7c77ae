"""What counts of this hospital's contributions on a board, and a note of it for the board after.

When the key goes to another federation the note is put into that one's folder. It says in which
folder what was contributed lies, and nothing of what it was. The next one takes it over.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, NamedTuple

from msgspec import Meta

from participant.disk import Storage
from participant.errors import TooLarge
from participant.home import folder_name
from protocol.board import Board, Study
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import Clip, Count, Digest, InheritedStart, StudyName, read_session
from protocol.rounds import OpenedSets, Start

_NAME = "contributed-before"
_MOST = 200_000  # contributions that are noted, the newest
_MAX_BYTES = 64 << 20


class RoundBefore(Message, frozen=True):
    """A round of a study; federation: the digest of the one that it was in."""

    federation: Digest
    study: StudyName
    number: Count


class ContributedBefore(Message, frozen=True):
    """A contribution of this hospital to a round of a federation before.

    plan: the digest of the study's. begins: after which round of another study this one begins,
    if it does. clip: the bound of a weight's change.
    """

    round: RoundBefore
    start: InheritedStart
    plan: Digest
    begins: RoundBefore | None
    clip: Clip


class _Note(Message, frozen=True):
    """lost: from what it has added besides, of which it does not know where that lies."""

    contributed: Annotated[tuple[ContributedBefore, ...], Meta(max_length=_MOST)] = ()
    lost: Annotated[tuple[InheritedStart, ...], Meta(max_length=_MOST)] = ()


class Kept(NamedTuple):
    """Where a contribution lies that this hospital has made, if it is still there.

    plan: the digest of the study's. clip: the bound of a weight's change in the round. read: what
    lies under a name in the folder of that federation, None if nothing does. federation: the digest
    of one before; empty for this one.
    """

    study: str
    number: int
    plan: bytes
    clip: float
    read: Callable[[str], bytes | None]
    federation: bytes = b""

    @property
    def round_name(self) -> str:
        """As people say it: ``cardio/7``; ``a round before`` where it is not known which."""
        return f"{self.study}/{self.number}" if self != _LOST else "a round before"


class Counted(NamedTuple):
    """A contribution that came before the closing, to a round that starts from this."""

    study: Study
    number: int
    session: str
    start: Start
    clip: float

    def kept(self, storage: Storage) -> Kept:
        """Where it lies; storage: this federation's."""
        return Kept(self.study.name, self.number, self.study.digest, self.clip, storage.read)


_LOST = Kept("lost", 1, b"", 0.0, lambda name: None)


def counted_contributions(
    history: OpenedSets,
    board: Board,
    index: int,
    is_of: Callable[[Study], bool] = lambda study: True,
) -> Iterator[Counted]:
    """Those of member ``index``, the newest first.

    history: of that board. is_of: of which studies they are asked for.
    """
    for one in history.contributed(index):
        named = read_session(one.session)
        study = board.studies[named.study].study
        if is_of(study):
            yield Counted(study, named.number, one.session, Start(one.kind, one.start), one.clip)


def note_contributed(board: Board, index: int, old: Storage, new: Storage) -> None:
    """Note durably, for the new federation, all that counts as a member's; again with that outcome.

    index: of who has this hospital's name on the old board. old, new: the federations' folders.
    """
    older, history = _read(old), OpenedSets.of(board)
    found = [_noted(one) for one in counted_contributions(history, board, index)]
    all_known = (*found, *older.contributed)
    known = {one.start for one in older.contributed}
    lost = dict.fromkeys(older.lost)
    before = (InheritedStart(*start) for _, start in history.added_before(index))
    lost |= dict.fromkeys(start for start in before if start not in known)
    lost |= dict.fromkeys(one.start for one in all_known[_MOST:])
    # Without a note all counts as lost.
    note = _Note(all_known[:_MOST], tuple(lost)) if len(lost) <= _MOST else _Note()
    new.write(_NAME, encode(note))


def _noted(one: Counted) -> ContributedBefore:
    round_ = RoundBefore(one.study.terms.federation, one.study.name, one.number)
    start = InheritedStart(*one.start)
    return ContributedBefore(round_, start, one.study.digest, _begins(one.study), one.clip)


def _begins(study: Study) -> RoundBefore | None:
    if not (study.is_training and study.training.start_study):
        return None
    work, own = study.training, study.terms.federation
    return RoundBefore(work.start_federation or own, work.start_study, work.start_round)


def contributed_before(storage: Storage) -> Mapping[Start, list[Kept]]:
    """What is noted, by what it started from; nothing of a note that is lost or damaged."""
    found, note = defaultdict[Start, list[Kept]](list), _read(storage)
    for one in note.contributed:
        of = one.round
        read = partial(storage.read_beside, folder_name(of.federation))
        kept = Kept(of.study, of.number, one.plan, one.clip, read, of.federation)
        found[Start(one.start.kind, one.start.name)].append(kept)
    for start in note.lost:
        found[Start(start.kind, start.name)].append(_LOST)
    return found


def rounds_to(study: Study, board: Board, storage: Storage) -> Mapping[tuple[bytes, str], int]:
    """How many rounds led to a study's first model, by federations and their studies.

    As far as it is noted here, of the federations before, from where these studies began.
    """
    begins = {
        (one.round.federation, one.round.study): one.begins for one in _read(storage).contributed
    }
    for name, state in board.studies.items():
        begins[board.terms.federation, name] = _begins(state.study)
    found, last = dict[tuple[bytes, str], int](), _begins(study)
    while last is not None and (place := (last.federation, last.study)) not in found:
        found[place] = last.number
        last = begins.get(place)
    return found


def _read(storage: Storage) -> _Note:
    try:
        data = storage.read(_NAME)
        return decode(data, _Note, "note", _MAX_BYTES) if data else _Note()
    except (Malformed, TooLarge):
        return _Note()
