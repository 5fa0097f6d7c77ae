"""The running sum of a round's encrypted vectors, chunk by chunk, on disk.

One file a chunk: H(domain, session, chunk, body) ‖ body, the body saying which contributions are in
the sum that it holds. A file is replaced as a whole, so whenever the process dies, each file tells
what its sum includes; one that does not read is made anew from the contributions' blobs.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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


class VectorSum:
    """One round's sum; what is held in memory is one chunk of it and one of a contribution."""

    def __init__(self, folder: Path, session: str, lattice: Lattice, length: int) -> None:
        """length: values of a vector, the contribution's own weight included."""
        self.data_folder, self._folder = folder, folder_of_sum(folder, session)
        self.session, self.lattice, self.length = session, lattice, length
        # Whom each file includes, encoded, as far as this object has read or written it.
        self._included: dict[int, bytes] = {}
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
        return sum(included == wanted for included in self._included.values())

    def advance(self, vectors: Mapping[int, Vector], read_blob: ReadBlob) -> bool:
        """Add what is missing of one chunk of at least one vector; whether more chunks wait."""
        wanted = encode(_contributors(vectors))
        chunk = self._unlike(wanted)
        if chunk is None:
            return False
        self.make(chunk, vectors, read_blob)
        return self._unlike(wanted) is not None

    def lacking(self, vectors: Mapping[int, Vector]) -> Iterator[int]:
        """The chunks that are not known to include just these."""
        wanted = encode(_contributors(vectors))
        return (c for c in range(self.chunk_count) if self._included.get(c) != wanted)

    def make(self, chunk: int, vectors: Mapping[int, Vector], read_blob: ReadBlob) -> None:
        """Add what one chunk lacks of these vectors."""
        contributors = _contributors(vectors)
        total, included = self._read(chunk, contributors)
        for contributor in contributors:
            if contributor not in included:
                data = read_blob(vectors[contributor.member].chunks[chunk])
                total = add_chunk(total, data, self.lattice)
        if total is not None and included != contributors:
            self._write(chunk, ChunkSum(contributors, total.astype("<u8", copy=False).tobytes()))
        self._included[chunk] = encode(contributors)

    def written(self, chunk: int) -> tuple[bytes, int] | None:
        """The digest that a chunk's file begins with and the file's bytes; None without one."""
        try:
            with self._path(chunk).open("rb") as file:
                return file.read(_DIGEST_BYTES), os.fstat(file.fileno()).st_size
        except OSError:
            return None

    def accept(self, chunk: int, vectors: Mapping[int, Vector], read_part: ReadPart) -> bool:
        """Take a chunk's file that another process has written; whether it is that of ``vectors``.

        Runs of words at random places are added again: a whole check would cost what the sum does.
        """
        contributors = _contributors(vectors)
        total, included = self._read(chunk, contributors)
        if total is None or included != contributors:
            return False
        names = [vector.chunks[chunk] for vector in vectors.values()]
        if not all(self._agrees(total, names, read_part) for _ in range(_SAMPLES)):
            return False
        self._included[chunk] = encode(contributors)
        return True

    def _agrees(self, total: Coefficients, names: list[bytes], read_part: ReadPart) -> bool:
        width, start = self.lattice.contribution_bytes, secrets.randbelow(len(total))
        expected = total[start : start + _SAMPLE_WORDS]
        parts = (read_part(name, start * width, len(expected) * width) for name in names)
        found = sum((read_words(part, width) for part in parts), np.zeros_like(expected))
        return bool(np.array_equal(found, expected))

    def discard(self, chunk: int) -> None:
        """Delete a chunk's file, which is not what it says."""
        self._included.pop(chunk, None)
        with disk_errors(self._path(chunk)):
            self._path(chunk).unlink(missing_ok=True)

    def read(self, chunk: int, vectors: Mapping[int, Vector]) -> bytes | None:
        """A chunk of the sum as it is sent; None if its file has been damaged since.

        Then the chunk waits to be made anew.
        """
        contributors = _contributors(vectors)
        total, included = self._read(chunk, contributors)
        if total is None or included != contributors:
            self._included.pop(chunk, None)
            return None
        return write_sum(total, self.lattice)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unlike(self, wanted: bytes) -> int | None:
        """The first chunk that is not known to include just these."""
        chunks = range(self.chunk_count)
        return next((c for c in chunks if self._included.get(c) != wanted), None)

    def _read(
        self, chunk: int, wanted: tuple[Contributor, ...]
    ) -> tuple[Coefficients | None, tuple[Contributor, ...]]:
        """A stored sum with what it includes; none if it is not one of some of ``wanted``."""
        blocks = self.lattice.blocks_of(chunk, self.length)
        size = blocks * self.lattice.ring.degree * _WORD_BYTES
        most = len(encode(ChunkSum(wanted, b""))) + size + _FEW_BYTES
        try:
            data = self._path(chunk).read_bytes()
            body = data[_DIGEST_BYTES:]
            if data[:_DIGEST_BYTES] != self._digest(chunk, body):
                return None, ()
            found = decode(body, ChunkSum, "chunk sum", most)
        except (OSError, Malformed):
            return None, ()
        if not set(found.contributors) <= set(wanted) or len(found.coefficients) != size:
            return None, ()
        return np.frombuffer(found.coefficients, "<u8").astype(np.uint64), found.contributors

    def _write(self, chunk: int, found: ChunkSum) -> None:
        body = encode(found)
        with aside(self._path(chunk), StoreFull.of) as file:
            file.write(self._digest(chunk, body))
            file.write(body)
            file.take_name()

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
