"""A record in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from protocol.board.post import Entry, Head
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.record.files import (
    MANIFEST_PATH,
    TERMS_PATH,
    Manifest,
    blob_path,
    countersign,
    entry_path,
    head_path,
    write_manifest,
)
from tests.stage.toy import Federation


class MemoryFiles(dict[str, bytes]):
    """A record's files."""

    def read(self, path: str, limit: int) -> bytes | None:
        data = self.get(path)
        if data is not None and len(data) > limit:
            raise Malformed(path, f"{len(data)} bytes, at most {limit} are allowed")
        return data

    def paths(self) -> Sequence[str]:
        return sorted(self)


def files_of(
    federation: Federation,
    entries: Sequence[Entry],
    blobs: Mapping[bytes, bytes],
    countersigning: Sequence[int] = (),
) -> MemoryFiles:
    """The record of a board, or of its first entries, whose end some members have countersigned.

    blobs: all that belong into it, by name.
    """
    identity, head = federation.terms.federation, Head(len(entries), entries[-1].hash)
    files = MemoryFiles({entry_path(entry.hash): encode(entry) for entry in entries})
    files[MANIFEST_PATH] = write_manifest(Manifest(identity, head, len(blobs)))
    files[TERMS_PATH] = federation.signed_text().encode()
    files |= {blob_path(name): data for name, data in blobs.items()}
    for member in countersigning:
        said = countersign(identity, member, head, federation.keys[member])
        files[head_path(member)] = encode(said)
    return files


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Put the files into a folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
