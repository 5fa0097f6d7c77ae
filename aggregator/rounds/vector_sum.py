"""The running sum of a round's encrypted vectors, chunk by chunk, on disk.

One file a chunk: H(domain, session, chunk, body) ‖ body, the body saying which contributions are in
the sum that it holds. A file is replaced as a whole, so whenever the process dies, each file tells
what its sum includes; one that does not read is made anew from the contributions' blobs.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aggregator.store import disk_errors
from keyshare.hybrid import Lattice, add_chunk, write_sum
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.messages import Contributor
from protocol.programs.temporary import sync

_DIGEST_BYTES = 32
_FEW_BYTES = 16  # how long the coefficients are
_WORD_BYTES = 8

Coefficients = npt.NDArray[np.uint64]
ReadBlob = Callable[[bytes], bytes]


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
        self._folder = folder / "sums" / session.replace("/", "-")
        self._session, self._lattice, self._length = session, lattice, length
        # Whom each file includes, encoded, as far as this object has read or written it.
        self._included: dict[int, bytes] = {}
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            sync(self._folder.parent)
            sync(folder)

    @property
    def chunk_count(self) -> int:
        """How many chunks the sum has."""
        return self._lattice.chunk_count(self._length)

    def summed(self, vectors: Mapping[int, Vector]) -> int:
        """How many chunks include these members' vectors and no other."""
        wanted = encode(_contributors(vectors))
        return sum(included == wanted for included in self._included.values())

    def advance(self, vectors: Mapping[int, Vector], read_blob: ReadBlob) -> bool:
        """Add what is missing of one chunk of at least one vector; whether more chunks wait."""
        contributors = _contributors(vectors)
        wanted = encode(contributors)
        chunk = self._unlike(wanted)
        if chunk is None:
            return False
        total, included = self._read(chunk, contributors)
        for contributor in contributors:
            if contributor not in included:
                data = read_blob(vectors[contributor.member].chunks[chunk])
                total = add_chunk(total, data, self._lattice)
        if total is not None and included != contributors:
            self._write(chunk, ChunkSum(contributors, total.astype("<u8", copy=False).tobytes()))
        self._included[chunk] = wanted
        return self._unlike(wanted) is not None

    def read(self, chunk: int, vectors: Mapping[int, Vector]) -> bytes | None:
        """A chunk of the sum as it is sent; None if its file has been damaged since.

        Then the chunk waits to be made anew.
        """
        contributors = _contributors(vectors)
        total, included = self._read(chunk, contributors)
        if total is None or included != contributors:
            self._included.pop(chunk, None)
            return None
        return write_sum(total, self._lattice)

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
        blocks = self._lattice.blocks_of(chunk, self._length)
        size = blocks * self._lattice.ring.degree * _WORD_BYTES
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
        path, aside = self._path(chunk), self._folder / "new"
        with disk_errors(path):
            with aside.open("wb") as file:
                file.write(self._digest(chunk, body))
                file.write(body)
            sync(aside)
            aside.rename(path)
            sync(self._folder)

    def _digest(self, chunk: int, body: bytes) -> bytes:
        place = self._session.encode(), chunk.to_bytes(8, "big")
        return digest("quorate/chunk sum", *place, body)

    def _path(self, chunk: int) -> Path:
        return self._folder / f"chunk-{chunk}"


def remove_sums(folder: Path, but: frozenset[str]) -> None:
    """Delete what is left of all rounds' sums but those of the sessions in ``but``."""
    kept = {session.replace("/", "-") for session in but}
    for path in (folder / "sums").glob("*"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _contributors(vectors: Mapping[int, Vector]) -> tuple[Contributor, ...]:
    return tuple(Contributor(member, vectors[member].post) for member in sorted(vectors))
