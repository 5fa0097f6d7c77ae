"""By which entry of the old board a key was released that a new federation takes over.

The note lies in the new federation's folder, and is durable before the key share is. Nothing in it
is secret.
"""

from pathlib import Path

from participant.disk import FolderStorage
from participant.errors import DamagedFile, FileExists
from protocol.board import Board, Digest, Handover
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed

_NAME = "inherited-from"
_MAX_BYTES = 1_024


class InheritedFrom(Message, frozen=True):
    """federation: the old one. position, hash: of the entry. epoch: the digest of the new one."""

    federation: Digest
    position: int
    hash: Digest
    epoch: Digest

    @classmethod
    def of(cls, board: Board, handover: Handover) -> "InheritedFrom":
        """What there is to note of an attempt on the old board, once it is released."""
        position, epoch = handover.released_at, handover.view.epoch
        assert position is not None and epoch is not None
        entry_hash = board.hash_at(position)
        assert entry_hash is not None
        return cls(board.terms.federation, position, entry_hash, epoch.digest)


def note_inherited(folder: Path, note: InheritedFrom) -> None:
    """Note this durably in the new federation's folder; again and again, with the same outcome.

    Whoever puts the key share there does so after it. Raises FileExists if another note lies there,
    DamagedFile, DiskError.
    """
    noted = inherited_from(folder)
    if noted is None:
        _storage(folder).write(_NAME, encode(note))
    elif noted != note:
        raise FileExists(folder / _NAME, "it names another entry, or another key")


def inherited_from(folder: Path) -> InheritedFrom | None:
    """The note in a federation's folder, None if there is none; raises DamagedFile."""
    data = _storage(folder).read(_NAME)
    try:
        return None if data is None else decode(data, InheritedFrom, "note", _MAX_BYTES)
    except Malformed as error:
        raise DamagedFile(folder / _NAME, error.reason, "note") from None


def _storage(folder: Path) -> FolderStorage:
    return FolderStorage(folder, _MAX_BYTES)
