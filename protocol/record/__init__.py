"""The record of a federation: its files, and how they are written.

What is checked in it is ``protocol.record.audit``.
"""

from protocol.record.files import (
    FOLDERS,
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    TERMS_PATH,
    Countersignature,
    Manifest,
    RecordFiles,
    aborted_ceremonies,
    blob_path,
    check_countersignature,
    countersign,
    digest_in,
    entry_path,
    head_path,
    is_recorded,
    read_countersignature,
    read_entries,
    read_manifest,
)
from protocol.record.verified import MAX_VERIFIED_BYTES, Verified, read_verified, write_verified
from protocol.record.writing import (
    AlreadyWritten,
    WritableFiles,
    check_history,
    countersignatures,
    finish,
    prepare,
    still_to_write,
    write_entries,
    written,
)
