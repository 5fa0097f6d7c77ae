"""Writing a record: the same files, byte for byte, whoever writes them for the same head.

Entries and blobs are named by their hashes, so that whatever an interrupted run leaves is what the
next one would write. ``record.json``, which makes a record of it, is replaced last.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, cast

from protocol.board import Board, Entry, Head, Posted
from protocol.encoding import encode
from protocol.errors import BadSignature, BadTerms, Fork, Malformed, UnfitRecord
from protocol.messages import Abort, Attachment, Certificate, blob_name
from protocol.record.files import (
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    TERMS_PATH,
    Countersignature,
    Manifest,
    RecordFiles,
    blob_path,
    check_countersignature,
    entry_path,
    head_path,
    read_countersignature,
    read_entries,
    read_manifest,
    recorded,
    write_manifest,
)
from protocol.terms import Terms, parse, render, render_signature
from protocol.words import shown

MAX_TERMS_BYTES = 1 << 20
_HASH = "[0-9a-f]{64}"
_OURS = re.compile(
    rf"record\.json|federation\.toml|entries/{_HASH}\.msgpack|blobs/{_HASH}\.bin"
    r"|heads/(?:[1-9]|1[0-6])\.msgpack"
)


class WritableFiles(RecordFiles, Protocol):
    """The files of a record that is being written."""

    def write(self, path: str, data: bytes) -> None:
        """Put a file as a whole in place of what had that path; durable once settled."""

    def settle(self) -> None:
        """Wait until all that was written is durable."""


def prepare(files: WritableFiles, terms: Terms, signatures: Mapping[str, bytes]) -> None:
    """Make sure that nothing but this federation's record is here, and begin it with its terms.

    Raises UnfitRecord, naming the file in the way. The terms are written in one form, whatever
    order and layout they were signed in.
    """
    for path in files.paths():
        if not _OURS.fullmatch(path):
            raise UnfitRecord(shown(path), "it belongs to no record")
    if (data := _read(files, TERMS_PATH, MAX_TERMS_BYTES)) is not None:
        _check_terms(data, terms)
    elif files.paths():
        raise UnfitRecord(shown(files.paths()[0]), f"there is no {TERMS_PATH} beside it")
    _manifest(files, terms)
    write_once(files, TERMS_PATH, signed_text(terms, signatures).encode())
    files.settle()


def signed_text(terms: Terms, signatures: Mapping[str, bytes]) -> str:
    """The terms and all signatures as the record has them, in roster order."""
    blocks = [render_signature(m.name, signatures[m.name]) for m in terms.members]
    return render(terms) + "".join(blocks)


def _check_terms(data: bytes, terms: Terms) -> None:
    try:
        found = parse(data.decode()).terms
    except (UnicodeDecodeError, BadTerms) as error:
        raise UnfitRecord(TERMS_PATH, f"it does not read: {error}") from None
    if found.federation != terms.federation:
        raise UnfitRecord(TERMS_PATH, f"it has the terms of another federation, {found.name}")


def _manifest(files: RecordFiles, terms: Terms) -> Manifest | None:
    """The manifest that is here already."""
    data = _read(files, MANIFEST_PATH, MAX_MANIFEST_BYTES)
    if data is None:
        return None
    try:
        manifest = read_manifest(data)
    except Malformed as error:
        raise UnfitRecord(MANIFEST_PATH, error.reason) from None
    if manifest.federation != terms.federation:
        raise UnfitRecord(MANIFEST_PATH, "it is of another federation")
    return manifest


def check_history(files: RecordFiles, terms: Terms, board: Board) -> None:
    """Make sure that the board goes on from the record that is here, and from its heads.

    Raises Fork at the first entry that differs or is missing on the board, UnfitRecord, and
    UnfitRecord for a countersignature that proves nothing.
    """
    if (manifest := _manifest(files, terms)) is not None:
        _check_end(files, manifest.head, board)
    for said in countersignatures(files, terms):
        if (known := board.hash_at(said.position)) != said.hash:
            name = terms.name_of(said.member)
            what = "another entry" if known else "an entry"
            missing = "" if known else " that this board does not have"
            raise Fork(said.position, f"{name} has countersigned {what} there{missing}")


def _check_end(files: RecordFiles, head: Head, board: Board) -> None:
    if board.hash_at(head.position) == head.hash:
        return
    first = head.position
    try:
        for entry in read_entries(files, head):
            if board.hash_at(entry.position) == entry.hash:
                break
            first = entry.position
    except Malformed:
        pass  # damaged further back; that they differ is certain all the same
    if first > board.head.position:
        raise Fork(first, f"the record here goes on to entry {head.position}, the board does not")
    raise Fork(first, "the record here has another entry there than the board")


def countersignatures(files: RecordFiles, terms: Terms) -> list[Countersignature]:
    """What members have countersigned, by member; raises UnfitRecord naming what is none."""
    found = []
    for member in range(1, terms.n_members + 1):
        path = head_path(member)
        if (data := _read(files, path, MAX_MANIFEST_BYTES)) is None:
            continue
        try:
            said = read_countersignature(data)
            if said.member != member or said.federation != terms.federation:
                raise UnfitRecord(path, "it is another member's, or another federation's", member)
            check_countersignature(said, terms.key_of(member))
        except (Malformed, BadSignature) as error:
            reason = "its signature does not fit" if isinstance(error, BadSignature) else str(error)
            raise UnfitRecord(path, reason, member) from None
        found.append(said)
    return found


@dataclass(frozen=True)
class AlreadyWritten:
    """What is not looked at again: the files of a record, with its last entry's position.

    They got their names when they were whole. What an interrupted run has left behind that entry
    counts as what is still to be written. payloads: how many it had.
    """

    position: int
    paths: frozenset[str]
    payloads: int

    @cached_property
    def whole_to(self) -> int:
        """The entry up to which no file is gone: the last one; 0 where some are, or are too many.

        Files are counted. One that lies in the place of another is for others to find.
        """
        entries = sum(path.startswith("entries/") for path in self.paths)
        payloads = sum(path.startswith("blobs/") for path in self.paths)
        is_as_left = (entries, payloads) == (self.position, self.payloads)
        return self.position if is_as_left else 0

    def has(self, position: int, path: str) -> bool:
        """Whether the record has a file that belongs to an entry."""
        return position <= self.position and path in self.paths


def written(files: RecordFiles, terms: Terms) -> AlreadyWritten:
    """What the record here has, by its manifest. Raises UnfitRecord."""
    if (manifest := _manifest(files, terms)) is None:
        return NOTHING
    return AlreadyWritten(manifest.head.position, frozenset(files.paths()), manifest.payloads)


NOTHING = AlreadyWritten(0, frozenset(), 0)


def write_entries(
    files: WritableFiles, entries: Iterable[Entry], before: AlreadyWritten = NOTHING
) -> None:
    """Put the entries that are not here yet."""
    for entry in entries:
        path = entry_path(entry.hash)
        if not before.has(entry.position, path):
            write_once(files, path, encode(entry))


class StillMissing(NamedTuple):
    """The payloads that a record still lacks, each once, in order, and how many it has then."""

    missing: Sequence[Attachment]
    payloads: int


def still_to_write(files: RecordFiles, board: Board, before: AlreadyWritten) -> StillMissing:
    """What a record of the board needs beside its entries. Raises as reading the board does.

    Where nothing is gone, the entries that are new are looked at alone, unless one of them has to
    do with the end of a ceremony: that decides about payloads of older ones.
    """
    first, entries = 0, cast(Iterable[Posted], board.entries)
    if before.whole_to:
        new = board.entries[before.whole_to :]
        if not any(isinstance(posted.post.body, Abort | Certificate) for posted in new):
            first, entries = before.whole_to, new
    lacking, names = dict[bytes, Attachment](), set[bytes]()
    for position, attachment in recorded(entries, board.terms.n_members):
        path = blob_path(attachment.digest)
        if not first or path not in before.paths:
            names.add(attachment.digest)
        if not before.has(position, path):
            lacking.setdefault(attachment.digest, attachment)
    missing = [a for a in lacking.values() if not _has_blob(files, a)]
    return StillMissing(missing, len(names) + (before.payloads if first else 0))


def _has_blob(files: RecordFiles, attachment: Attachment) -> bool:
    """Whether it is here and whole; a disk may have damaged what an earlier run has written."""
    try:
        data = files.read(blob_path(attachment.digest), attachment.size)
    except Malformed:
        return False
    return data is not None and blob_name(data) == attachment.digest


def write_once(files: WritableFiles, path: str, data: bytes) -> None:
    """Put a file unless it is here as it should be."""
    try:
        if files.read(path, len(data)) == data:
            return
    except Malformed:
        pass  # it is longer, so it is damaged
    files.write(path, data)


def finish(files: WritableFiles, terms: Terms, head: Head, payloads: int) -> None:
    """Make a record of what was written, unless another run has meanwhile got further.

    payloads: how many it has (``still_to_write``).
    """
    files.settle()
    earlier, made = _manifest(files, terms), Manifest(terms.federation, head, payloads)
    if earlier is None or (earlier.head.position <= head.position and earlier != made):
        files.write(MANIFEST_PATH, write_manifest(made))
        files.settle()


def _read(files: RecordFiles, path: str, limit: int) -> bytes | None:
    try:
        return files.read(path, limit)
    except Malformed as error:
        raise UnfitRecord(path, error.reason) from None
