"""By which entry of the old board a key was released that a new federation takes over.

The note lies in the new federation's folder, and is durable before the key share is. Beside it, and
before it, lie the sums that may be open on the old board by then. Nothing in them is secret.
"""

from collections.abc import Sequence
from pathlib import Path

from participant.disk import FolderStorage
from participant.errors import DamagedFile, FileExists, TooLarge
from protocol.board import Board, Handover
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import MAX_INHERITED_BYTES, Count, Digest, PartNames, part_name, parts_of
from protocol.rounds import sums_up_to

_NAME, _SUMS_NAME = "inherited-from", "inherited-sums"
_MAX_BYTES = 16 << 10


class InheritedFrom(Message, frozen=True):
    """position, hash: of the entry. epoch: the digest of the new one.

    sums: the names of the parts of what was opened before.
    """

    position: Count
    hash: Digest
    epoch: Digest
    sums: PartNames = ()

    @classmethod
    def of(cls, board: Board, handover: Handover, parts: Sequence[bytes] = ()) -> "InheritedFrom":
        """What there is to note of an attempt on the old board, once it is released."""
        position, epoch = handover.released_at, handover.view.epoch
        assert position is not None and epoch is not None
        entry_hash = board.hash_at(position)
        assert entry_hash is not None
        names = tuple(map(part_name, parts))
        return cls(position, entry_hash, epoch.digest, names)


def note_release(folder: Path, board: Board, handover: Handover) -> None:
    """Note what an attempt on the old board has released; raises as ``note_inherited``."""
    assert handover.released_at is not None
    parts = sums_up_to(board, handover.released_at).parts()
    note_inherited(folder, InheritedFrom.of(board, handover, parts), parts)


def note_inherited(folder: Path, note: InheritedFrom, parts: Sequence[bytes] = ()) -> None:
    """Note this durably in the new federation's folder; again and again, with the same outcome.

    parts: of the sums that the note names. Whoever puts the key share there does so after it.
    Raises FileExists if another note lies there, DamagedFile, DiskError.
    """
    noted = inherited_from(folder)
    if noted is None:
        _storage(folder).write(_SUMS_NAME, b"".join(parts))
        _storage(folder).write(_NAME, encode(note))
    elif noted != note:
        raise FileExists(folder / _NAME, "it names another entry, or another key")


def inherited_from(folder: Path) -> InheritedFrom | None:
    """The note in a federation's folder, None if there is none; raises DamagedFile."""
    try:
        data = _storage(folder).read(_NAME)
        return None if data is None else decode(data, InheritedFrom, "note", _MAX_BYTES)
    except (Malformed, TooLarge) as error:
        reason = error.reason if isinstance(error, Malformed) else "it is too long"
        raise DamagedFile(folder / _NAME, reason, "release") from None


def inherited_parts(folder: Path) -> dict[bytes, bytes]:
    """The parts of the sums that are noted in a federation's folder, by their names.

    One that is damaged has another name, and is not asked for.
    """
    try:
        data = FolderStorage(folder, MAX_INHERITED_BYTES).read(_SUMS_NAME) or b""
    except TooLarge:
        return {}
    return {part_name(part): part for part in parts_of(data)}


def _storage(folder: Path) -> FolderStorage:
    return FolderStorage(folder, _MAX_BYTES)
