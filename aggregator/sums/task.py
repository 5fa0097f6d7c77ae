"""What a worker runs: it adds contributions' chunks to the file of a sum's chunk.

A task has names alone. The worker sees the aggregator's folder under the same path. Blobs in an
object store it reads from there, with credentials of its own.
"""

import contextlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from aggregator.place import blobs_at
from aggregator.rounds import Vector, VectorSum, folder_of_sum
from aggregator.sums.malloc import keep_buffers
from keyshare.hybrid import RINGS, Lattice

RELEASE = f"{version('quorate-fl')}, chunk sums 2"  # changes with the formats of files and tasks


@dataclass(frozen=True)
class ChunkTask:
    """One chunk of a sum to be made. ring, members, per_coefficient: the lattice.

    blobs: where they lie, as ``WholeBlobs.place``. length: values of a vector. vectors:
    member, post and name of this chunk.
    """

    folder: str
    blobs: str
    session: str
    ring: str
    members: int
    per_coefficient: int
    length: int
    chunk: int
    vectors: tuple[tuple[int, bytes, bytes], ...]


@dataclass(frozen=True)
class ChunkDone:
    """What a file that was written begins with. refused: why nothing was done, empty otherwise."""

    digest: bytes
    refused: str = ""


def make_chunk(task: ChunkTask, release: str) -> ChunkDone:
    """Add what the chunk lacks. What goes wrong is in the answer."""
    if release != RELEASE:
        return ChunkDone(b"", refused=f"it is of release {RELEASE}, the aggregator of {release}")
    if not folder_of_sum(Path(task.folder), task.session).is_dir():
        return ChunkDone(b"", refused=f"it does not see the folder {task.folder}")
    keep_buffers()
    lattice = Lattice(RINGS[task.ring], task.members, task.per_coefficient)
    total = VectorSum(Path(task.folder), task.session, lattice, task.length)
    names = {member: name for member, _, name in task.vectors}
    vectors = {
        member: Vector(post, (b"",) * task.chunk + (names[member],))
        for member, post, _ in task.vectors
    }
    try:
        with contextlib.closing(blobs_at(task.blobs, Path(task.folder))) as blobs:
            written = total.make(task.chunk, vectors, blobs.read)
    except Exception as error:  # Dask loses some of those that it is to carry
        return ChunkDone(b"", refused=f"it failed ({type(error).__name__}: {error})")
    return ChunkDone(written)
