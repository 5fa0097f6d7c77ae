"""What a new member verifies before it takes part: the record of the federation it comes into."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from participant.agent import load_checkpoint, save_checkpoint
from participant.handover.errors import BrokenRecord
from participant.home import Membership
from protocol.errors import Fork
from protocol.record import RecordFiles
from protocol.record.audit import KEY_CHECK, NOT_GIVEN, Audit, Evidence, Status, examine

_NONCE_BYTES = 32


def begin_from_record(
    guest: Membership, record: RecordFiles, path: Path, older: Sequence[RecordFiles] = ()
) -> None:
    """Check a record whole, and note its head: a board without that is not the one to inherit.

    older: the records before, newest first, back to the one in which the key was made. Raises
    BrokenRecord for one that does not hold, or is of another federation or an older one, and where
    a record before is missing; Fork where this hospital has seen another board.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    evidence = Evidence(record, guest.terms.federation, None, nonce)
    found = examine(evidence, older=older)
    if failed := [r.number for r in found.results if r.status is Status.FAILED]:
        raise BrokenRecord(path, f"checks {', '.join(failed)} fail: see what verify says")
    if found.head is None or found.federation != guest.terms.federation:
        raise BrokenRecord(path, "it is no record of the federation that hands its key over")
    last: Audit | None = found
    while last is not None:
        if any(r.number == KEY_CHECK and r.not_run == NOT_GIVEN for r in last.results):
            reason = f"{last.name} took its key over: give the record before with --predecessor"
            raise BrokenRecord(path, reason)
        last = last.before
    known = load_checkpoint(guest.storage)
    if known is None:
        save_checkpoint(guest.storage, found.head)
    elif known.position <= found.head.position:
        if evidence.replay.board.hash_at(known.position) != known.hash:
            raise Fork(known.position, "it was another one when this hospital last saw it")
        save_checkpoint(guest.storage, found.head)
