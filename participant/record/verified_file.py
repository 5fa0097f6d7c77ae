"""The file in which an auditor's own machine notes what was verified, 0600."""

import os
from pathlib import Path

from participant.disk import check_replaceable, exists, read, replace
from participant.errors import DamagedFile
from protocol.errors import Malformed
from protocol.record import (
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    MAX_VERIFIED_BYTES,
    RecordFiles,
    Verified,
    read_manifest,
    read_verified,
    write_verified,
)

_OTHERS_WRITE = 0o022


def load_verified(path: Path, record: RecordFiles) -> Verified | None:
    """What was verified of a record's federation; None if nothing was yet.

    Raises DamagedFile for a file that does not read, is of another federation than the record, or
    that others than this user may have written. What a file says that this user wrote is believed.
    """
    check_replaceable(path)
    if not exists(path):
        return None
    data, found = read(path, MAX_VERIFIED_BYTES, "verified"), path.stat()
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        raise DamagedFile(path, "others than you may have written it", "verified")
    try:
        verified = read_verified(data)
    except Malformed as error:
        raise DamagedFile(path, error.reason, "verified") from None
    try:
        manifest = read_manifest(record.read(MANIFEST_PATH, MAX_MANIFEST_BYTES) or b"")
    except Malformed:
        return None  # the audit says what is wrong with it
    if manifest.federation != verified.federation:
        raise DamagedFile(path, "it is about the record of another federation", "verified")
    return verified


def save_verified(path: Path, verified: Verified) -> None:
    """Durably, in place of what was noted before. Raises DiskError."""
    replace(path, write_verified(verified))
