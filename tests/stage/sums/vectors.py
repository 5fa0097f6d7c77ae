"""Random vectors that lie in a data folder as the aggregator keeps them, and their sum."""

from pathlib import Path

import numpy as np

from aggregator.rounds import Vector, VectorSum
from aggregator.store import BlobStore, BoardStore, WholeBlobs
from keyshare.hybrid.lattice import S1, Lattice
from tests.stage.studies import SESSION

SHAPE, CHUNKS, MEMBERS = Lattice(S1, 3), 3, (1, 2, 3)


class StoredVectors:
    """Of three members, each of three chunks, the last of them short."""

    def __init__(self, folder: Path, whole: WholeBlobs | None = None) -> None:
        """whole: where the vectors lie, if not in the folder."""
        folder.mkdir()
        self.folder, self.store = folder, BoardStore(folder)
        self.blobs = BlobStore(folder, self.store, whole=whole)
        self.length = (CHUNKS - 1) * SHAPE.chunk_weights + 5_000
        self.data: dict[tuple[int, int], bytes] = {}
        self.all = {member: self._vector(member) for member in MEMBERS}

    def _vector(self, member: int) -> Vector:
        draw, names = np.random.default_rng(member), []
        for chunk in range(CHUNKS):
            data = draw.bytes(SHAPE.contribution_chunk_bytes(chunk, self.length))
            self.data[member, chunk] = data
            names.append(self.blobs.put(data))
        return Vector(bytes([member]) * 32, tuple(names))

    def sum(self) -> VectorSum:
        return VectorSum(self.folder, SESSION, SHAPE, self.length)

    def of(self, *members: int) -> dict[int, Vector]:
        return {member: self.all[member] for member in members}

    def expected(self, chunk: int, *members: int) -> bytes:
        """The sum in Python's integers."""
        width = SHAPE.contribution_bytes
        columns = [
            [int.from_bytes(data[k : k + width], "little") for k in range(0, len(data), width)]
            for data in (self.data[member, chunk] for member in members)
        ]
        sums = (sum(values) for values in zip(*columns, strict=True))
        return b"".join(value.to_bytes(SHAPE.sum_bytes, "little") for value in sums)
