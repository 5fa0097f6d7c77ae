"""What a worker runs: it adds contributions' chunks to the file of a sum's chunk.

A task has names alone. The worker sees the aggregator's folder under the same path.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from aggregator.rounds import Vector, VectorSum, folder_of_sum
from aggregator.store import stored_blob
from aggregator.sums.malloc import keep_buffers
from keyshare.hybrid import RINGS, Lattice

RELEASE = f"{version('quorate-fl')}, chunk sums 1"  # the number changes with the file's format


@dataclass(frozen=True)
class ChunkTask:
    """One chunk of a sum to be made. ring, members, per_coefficient: the lattice.

    length: values of a vector. vectors: member, post and name of this chunk.
    """

    folder: str
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
        written = total.make(task.chunk, vectors, lambda name: stored_blob(Path(task.folder), name))
    except Exception as error:  # Dask loses some of those that it is to carry
        return ChunkDone(b"", refused=f"it failed ({type(error).__name__}: {error})")
    return ChunkDone(written)
