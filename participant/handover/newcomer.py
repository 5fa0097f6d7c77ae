"""What a new member verifies before it takes part: the record of the federation it comes into."""

import secrets
from pathlib import Path

from participant.agent import load_checkpoint, save_checkpoint
from participant.handover.errors import BrokenRecord
from participant.home import Membership
from protocol.record import RecordFiles
from protocol.record.audit import Status, audit

_NONCE_BYTES = 32


def begin_from_record(guest: Membership, record: RecordFiles, path: Path) -> None:
    """Check a record whole, and note its head: a board without that is not the one to inherit.

    Raises BrokenRecord for one that does not hold, or is of another federation or an older one.
    """
    found = audit(record, secrets.token_bytes(_NONCE_BYTES), guest.terms.federation)
    if failed := [r.number for r in found.results if r.status is Status.FAILED]:
        raise BrokenRecord(path, f"checks {', '.join(failed)} fail: see what verify says")
    if found.head is None or found.federation != guest.terms.federation:
        raise BrokenRecord(path, "it is no record of the federation that hands its key over")
    known = load_checkpoint(guest.storage)
    if known is None or known.position < found.head.position:
        save_checkpoint(guest.storage, found.head)
