"""What the record tells of a key that was taken over, and of the records before it."""

from collections.abc import Iterator

from participant.report.facts.facts import InheritanceFacts, RecordBefore
from participant.words.fingerprint import fingerprint
from protocol.board import Board
from protocol.record.audit import Audit
from protocol.words import shown


def inheritance_facts(board: Board) -> InheritanceFacts | None:
    """What members said of the key that the terms take over; None where they take none."""
    if not board.terms.takes_over_key:
        return None
    found = board.key.inheritance
    counted = found.counted
    said = tuple(m for m, word in sorted(found.said.items()) if counted in (None, word))
    another = tuple(m for m in sorted(found.said) if m not in said)
    if counted is None or found.epoch is None:
        return InheritanceFacts(None, None, None, "", said, another)
    position, epoch = board.key.epochs[0].position, found.epoch
    words = fingerprint(epoch.digest)
    return InheritanceFacts(position, counted.position, epoch.number, words, said, another)


def records_before(found: Audit | None) -> Iterator[RecordBefore]:
    """The older records that were given, newest first."""
    while found is not None:
        name = shown(found.name) if found.name else "terms that do not read"
        words = fingerprint(found.federation) if found.federation else ""
        yield RecordBefore(name, words, found.failed)
        found = found.before
