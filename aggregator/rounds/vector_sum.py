"""The running sum of a round's encrypted vectors, chunk by chunk, on disk.

One file a chunk: H(domain, session, chunk, body) ‖ body, the body saying which contributions are in
the sum that it holds. A file is replaced as a whole, so whenever the process dies, each file tells
what its sum includes; one that does not read is made anew from the contributions' blobs.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aggregator.errors import StoreFull
from aggregator.store import disk_errors
from keyshare.hybrid import Lattice, add_chunk, read_words, write_sum
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.messages import Contributor
from protocol.programs.temporary import aside, sweep, sync

_DIGEST_BYTES = 32
_FEW_BYTES = 16  # how long the coefficients are
_WORD_BYTES = 8
_SAMPLES, _SAMPLE_WORDS = 4, 16  # of a chunk that another process has made

Coefficients = npt.NDArray[np.uint64]
ReadBlob = Callable[[bytes], bytes]
ReadPart = Callable[[bytes, int, int], bytes]  # name, offset, bytes


@dataclass(frozen=True)
class Vector:
    """What is to be added of a contribution: the digest of its post, and its chunks' names."""

    post: bytes
    chunks: tuple[bytes, ...]


class ChunkSum(Message, frozen=True):
    """What a file holds: whose contributions are in the sum, and its uint64 coefficients."""

    contributors: tuple[Contributor, ...]
    coefficients: bytes


class _Taken(NamedTuple):
    """Of a file that its VectorSum has written or taken: whom it includes, encoded; its digest."""

    included: bytes
    digest: bytes


class _Stored(NamedTuple):
    """A chunk's file as it was read."""

    total: Coefficients | None
    included: tuple[Contributor, ...]
    digest: bytes


_NOTHING = _Stored(None, (), b"")


class VectorSum:
    """One round's sum; what is held in memory is one chunk of it and one of a contribution."""

    def __init__(self, folder: Path, session: str, lattice: Lattice, length: int) -> None:
        """length: values of a vector, the contribution's own weight included."""
        self.data_folder, self._folder = folder, folder_of_sum(folder, session)
        self.session, self.lattice, self.length = session, lattice, length
        self._taken: dict[int, _Taken] = {}
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            sync(self._folder.parent)
            sync(folder)

    @property
    def chunk_count(self) -> int:
        """How many chunks the sum has."""
        return self.lattice.chunk_count(self.length)

    def summed(self, vectors: Mapping[int, Vector]) -> int:
        """How many chunks include these members' vectors and no other."""
        wanted = encode(_contributors(vectors))
        return sum(taken.included == wanted for taken in self._taken.values())

    def advance(self, vectors: Mapping[int, Vector], read_blob: ReadBlob) -> bool:
        """Add what is missing of one chunk of at least one vector; whether more chunks wait."""
        if (chunk := next(self.lacking(vectors), None)) is None:
            return False
        self.make(chunk, vectors, read_blob)
        return next(self.lacking(vectors), None) is not None

    def lacking(self, vectors: Mapping[int, Vector]) -> Iterator[int]:
        """The chunks that are not known to include just these."""
        wanted = encode(_contributors(vectors))
        for chunk in range(self.chunk_count):
            if (taken := self._taken.get(chunk)) is None or taken.included != wanted:
                yield chunk

    def make(self, chunk: int, vectors: Mapping[int, Vector], read_blob: ReadBlob) -> bytes:
        """Add what one chunk lacks of these vectors; the digest that its file begins with.

        It goes on with what is there when this object first meets the chunk, and from then on with
        what it has written or taken itself.
        """
        contributors, taken = _contributors(vectors), self._taken.get(chunk)
        total, included, found = self._read(chunk, contributors, taken and taken.digest)
        for contributor in contributors:
            if contributor not in included:
                data = read_blob(vectors[contributor.member].chunks[chunk])
                total = add_chunk(total, data, self.lattice)
        if total is not None and included != contributors:
            words = total.astype("<u8", copy=False).tobytes()
            found = self._write(chunk, ChunkSum(contributors, words))
        self._taken[chunk] = _Taken(encode(contributors), found)
        return found

    def accept(
        self, chunk: int, vectors: Mapping[int, Vector], written: bytes, read_part: ReadPart
    ) -> bool:
        """Take a chunk's file that another process has written; whether it is that of ``vectors``.

        written: the digest that it begins with. Runs of words at random places are added again: a
        whole check would cost what the sum does.
        """
        contributors = _contributors(vectors)
        total, included, begins = self._read(chunk, contributors, None)
        if total is None or included != contributors or begins != written:
            return False
        names = [vector.chunks[chunk] for vector in vectors.values()]
        if not all(self._agrees(total, names, read_part) for _ in range(_SAMPLES)):
            return False
        self._taken[chunk] = _Taken(encode(contributors), written)
        return True

    def _agrees(self, total: Coefficients, names: list[bytes], read_part: ReadPart) -> bool:
        width, start = self.lattice.contribution_bytes, secrets.randbelow(len(total))
        expected = total[start : start + _SAMPLE_WORDS]
        parts = (read_part(name, start * width, len(expected) * width) for name in names)
        found = sum((read_words(part, width) for part in parts), np.zeros_like(expected))
        return bool(np.array_equal(found, expected))

    def discard(self, chunk: int) -> None:
        """Delete a chunk's file, which is not what it says."""
        self._taken.pop(chunk, None)
        with disk_errors(self._path(chunk)):
            self._path(chunk).unlink(missing_ok=True)

    def read(self, chunk: int, vectors: Mapping[int, Vector]) -> bytes | None:
        """A chunk of the sum as it is sent; None if its file is not the one that was taken.

        Then the chunk waits to be made anew.
        """
        contributors, taken = _contributors(vectors), self._taken.get(chunk)
        total, included, _ = self._read(chunk, contributors, taken and taken.digest)
        if total is None or included != contributors:
            self.discard(chunk)
            return None
        return write_sum(total, self.lattice)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, chunk: int, wanted: tuple[Contributor, ...], expected: bytes | None) -> _Stored:
        """A stored sum; nothing if it is not one of some of ``wanted``.

        expected: the digest that its file begins with, None for any.
        """
        blocks = self.lattice.blocks_of(chunk, self.length)
        size = blocks * self.lattice.ring.degree * _WORD_BYTES
        most = len(encode(ChunkSum(wanted, b""))) + size + _FEW_BYTES
        try:
            data = self._path(chunk).read_bytes()
            body = data[_DIGEST_BYTES:]
            begins = self._digest(chunk, body)
            if data[:_DIGEST_BYTES] != begins or expected not in (None, begins):
                return _NOTHING
            found = decode(body, ChunkSum, "chunk sum", most)
        except (OSError, Malformed):
            return _NOTHING
        if not set(found.contributors) <= set(wanted) or len(found.coefficients) != size:
            return _NOTHING
        total = np.frombuffer(found.coefficients, "<u8").astype(np.uint64)
        return _Stored(total, found.contributors, begins)

    def _write(self, chunk: int, made: ChunkSum) -> bytes:
        body = encode(made)
        found = self._digest(chunk, body)
        with aside(self._path(chunk), StoreFull.of) as file:
            file.write(found)
            file.write(body)
            file.take_name()
        return found

    def _digest(self, chunk: int, body: bytes) -> bytes:
        place = self.session.encode(), chunk.to_bytes(8, "big")
        return digest("quorate/chunk sum", *place, body)

    def _path(self, chunk: int) -> Path:
        return self._folder / f"chunk-{chunk}"


def folder_of_sum(folder: Path, session: str) -> Path:
    """Where the files of a round's sum are."""
    return folder / "sums" / session.replace("/", "-")


def remove_sums(folder: Path, but: frozenset[str]) -> None:
    """Delete what is left of all rounds' sums but those of the sessions in ``but``.

    Of these, what dead processes left half written.
    """
    kept = {session.replace("/", "-") for session in but}
    for path in (folder / "sums").glob("*"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
            continue
        with disk_errors(path):
            sweep(path)


def _contributors(vectors: Mapping[int, Vector]) -> tuple[Contributor, ...]:
    return tuple(Contributor(member, vectors[member].post) for member in sorted(vectors))
