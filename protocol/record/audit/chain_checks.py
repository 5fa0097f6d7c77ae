"""Checks 8: the chain of records, where a federation succeeds another and takes its key over."""

from collections import Counter
from collections.abc import Iterator

from protocol.board import Board, Handover, of_kind
from protocol.encoding import encode
from protocol.errors import BadTerms, Malformed
from protocol.key import read_epoch
from protocol.messages import InheritedPart, KeyInherited, part_name
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import NOBODY, RECORD, Ground, Result, check
from protocol.record.audit.terms_checks import TERMS
from protocol.rounds import sums_up_to
from protocol.terms import check_succession

KEY_CHECK = "8.3"  # that the key is the one that was handed over
NOT_GIVEN = "the record of the predecessor was not given"


def _have_board_before(evidence: Evidence) -> bool:
    """Whether the board before can be read, or need not be."""
    before = evidence.before
    if before is None:
        return True
    earlier = before.evidence
    return all(ground.holds(earlier) for ground in BOARD) and earlier.replay.error is None


BEFORE = Ground("8.2", _have_board_before)


@check(
    "8.1",
    "members said which key they took over",
    "what each member said first of the key that the terms take over. The key counts from the "
    "entry on with which lock_threshold of them had said the very same, and all sums that they "
    "name are there. It is in the terms' form. Who said something else is a finding",
    BOARD,
)
def check_words(evidence: Evidence, result: Result) -> None:
    board, terms = evidence.replay.board, evidence.terms
    if not terms.takes_over_key:
        result.notes.append("the terms take no key over")
        return
    said = _said(evidence)
    result.count += len(said)
    counted = _counted(evidence)
    for member, (position, word) in said.items():
        if counted is not None and word != counted[1]:
            reason = "it says of the key that was taken over something else than what counts"
            result.find(position, evidence.name(member), reason)
    if missing := [evidence.name(m) for m in _members(evidence) if m not in said]:
        result.notes.append(f"nothing was said yet by {', '.join(missing)}")
    if counted is None:
        result.notes.append(f"{terms.lock_threshold} members have not said the same yet")
        return
    position, word = counted
    try:
        epoch = read_epoch(word.epoch, terms)
    except Malformed as error:
        result.fail(position, NOBODY, f"what enough members say they took over: {error}")
        return
    alike = [evidence.name(m) for m, (_, one) in sorted(said.items()) if one == word]
    result.notes.append(f"said alike by {', '.join(alike)}")
    complete = _complete_at(evidence, position, word)
    first = board.key.epochs[0] if board.key.epochs else None
    if first != (None if complete is None else (complete, epoch)):
        result.fail(position, NOBODY, "the key does not count from the entry that makes it so")
    if complete is None:
        result.notes.append("the sums that they name are not all there yet")
        return
    result.notes.append(
        f"the key counts from entry {complete} on: epoch {epoch.number}, released by entry "
        f"{word.position} of the predecessor's board"
    )


def _members(evidence: Evidence) -> range:
    return range(1, evidence.terms.n_members + 1)


def _said(evidence: Evidence) -> dict[int, tuple[int, KeyInherited]]:
    """The first word of each member, with its position."""
    found = dict[int, tuple[int, KeyInherited]]()
    for posted in of_kind(evidence.entries, KeyInherited):
        found.setdefault(posted.post.sender, (posted.position, posted.post.body))
    return found


def _counted(evidence: Evidence) -> tuple[int, KeyInherited] | None:
    """What lock_threshold members have said first, and with which entry."""
    alike = Counter[KeyInherited]()
    for position, word in _said(evidence).values():
        alike[word] += 1
        if alike[word] == evidence.terms.lock_threshold:
            return position, word
    return None


def _complete_at(evidence: Evidence, position: int, word: KeyInherited) -> int | None:
    """The entry with which all parts of the sums are there that a word names; it has a position."""
    missing = dict(enumerate(word.sums))
    for posted in of_kind(evidence.entries, InheritedPart):
        part = posted.post.body
        if posted.position > position and missing.get(part.number) == part_name(part.data):
            del missing[part.number]
            if not missing:
                return posted.position
    return None if missing else position


@check(
    "8.2",
    "the terms succeed those of the record before",
    "the terms name the federation of the record that was given as the predecessor's, and can "
    "succeed its terms. Its chain of entries is whole",
    (TERMS,),
)
def check_terms(evidence: Evidence, result: Result) -> None:
    before, terms = evidence.before, evidence.terms
    if terms.predecessor is None:
        result.notes.append("the terms succeed no others")
        if before is not None:
            result.fail(0, RECORD, "a predecessor's record was given, and the terms name none")
        return
    if before is None:
        result.not_run = NOT_GIVEN
        return
    result.count += 1
    if not _have_board_before(evidence):
        result.fail(0, RECORD, "the board in the predecessor's record cannot be read whole")
    try:
        check_succession(before.evidence.terms, terms)
    except (BadTerms, Malformed) as error:
        result.fail(0, RECORD, f"the terms do not succeed those of the record before: {error}")


@check(
    KEY_CHECK,
    "the key is the one that was handed over",
    "the entry that is named for the key is on the predecessor's board, with that hash. With it a "
    "handover to these very terms was released. The key is what that handover gave, as recomputed",
    (*BOARD, BEFORE),
)
def check_key(evidence: Evidence, result: Result) -> None:
    before, terms = evidence.before, evidence.terms
    if not terms.takes_over_key:
        result.notes.append("the terms take no key over")
        return
    if before is None:
        result.not_run = NOT_GIVEN
        return
    counted = _counted(evidence)
    if counted is None:
        result.notes.append("no key counts yet")
        return
    result.count += 1
    position, word = counted
    for reason in _faults_of_key(evidence, before.evidence.replay.board, word):
        result.fail(position, NOBODY, reason)


def _faults_of_key(evidence: Evidence, old: Board, word: KeyInherited) -> Iterator[str]:
    """What is wrong with what enough members say, by the board of the predecessor."""
    found, place = old.hash_at(word.position), f"entry {word.position} of the predecessor's board"
    if found is None:
        yield f"the predecessor's record ends before {place}"
        return
    if found != word.hash:
        yield f"{place} is another one than they say"
        return
    handover = _released_at(old, word.position)
    if handover is None:
        yield f"no handover was released with {place}"
        return
    if handover.about.new.federation != evidence.terms.federation:
        yield f"{handover.about.session} was to another federation"
    epoch = handover.view.epoch
    if epoch is None or encode(epoch) != word.epoch:
        yield f"the key is another one than {handover.about.session} gave"


def _released_at(old: Board, position: int) -> Handover | None:
    return next((h for h in old.key.handovers.all if h.released_at == position), None)


@check(
    "8.4",
    "the record before holds",
    "no check of the predecessor's record failed, nor of those before it. If none was given, this "
    "is not run",
)
def check_before(evidence: Evidence, result: Result) -> None:
    before = evidence.before
    if before is None:
        if evidence.predecessor is not None:
            result.not_run = NOT_GIVEN
        return
    result.count += 1
    if before.failed:
        checks = ", ".join(before.failed)
        result.fail(0, RECORD, f"checks of the predecessor's record failed: {checks}")


@check(
    "8.5",
    "all that may be open was taken over",
    "the sums that may be open on the predecessor's board up to the release, and the models that "
    "its studies trained, as recomputed, are those that the members name. With these sums those of "
    "this record are compared",
    (*BOARD, BEFORE),
)
def check_sums(evidence: Evidence, result: Result) -> None:
    before, counted = evidence.before, _counted(evidence)
    if before is None:
        if evidence.terms.takes_over_key:
            result.not_run = NOT_GIVEN
        return
    if counted is None:
        result.notes.append("no key counts yet")
        return
    position, word = counted
    found = sums_up_to(before.evidence.replay.board, word.position)
    result.count += len(found.sums) + len(found.models)
    if tuple(map(part_name, found.parts())) != word.sums:
        reason = "the sums or models of the predecessor's board are others than they say"
        result.fail(position, NOBODY, reason)


CHECKS = (check_words, check_terms, check_key, check_before, check_sums)
