"""What is in a folder, and bytes and drafts with a fault in them."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from protocol.board.draft import Draft
from protocol.messages.attachment import Attachment, attach
from protocol.messages.ceremony import Step


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but the lock of whoever is at work in it."""
    found = [p for p in folder.rglob("*") if p.is_file() and p.name != "lock"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def flipped(data: bytes, at: int = -1, bit: int = 0) -> bytes:
    """The bytes with one bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def spoilt(data: bytes) -> bytes:
    """The bytes with one of them changed: in a trial, one before the sealing key for rounds."""
    return flipped(data, len(data) // 8)


def with_payload(draft: Draft, to: int, change: Callable[[bytes], bytes]) -> Draft:
    """A step's draft with the payload for one recipient (0: for all) changed."""
    assert isinstance(draft.body, Step)
    attachments, blobs = list[Attachment](), list[bytes]()
    old_blobs = iter(draft.blobs)
    for attachment in draft.body.attachments:
        data = next(old_blobs) if attachment.is_blob else attachment.data
        data = change(data) if attachment.to == to else data
        attachments.append(attach(data, attachment.to))
        blobs += [data] if attachments[-1].is_blob else []
    body = msgspec.structs.replace(draft.body, attachments=tuple(attachments))
    return Draft(draft.session, body, tuple(blobs))
