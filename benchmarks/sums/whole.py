"""The same vectors, all there at once, added by both."""

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from aggregator.rounds import InProcess, Summation, Vector, VectorSum
from aggregator.store import BlobStore, BoardStore
from aggregator.sums import summation_at
from benchmarks.timing import cpu_of
from examples.demo.processes import ROOT
from keyshare.hybrid import S1, Lattice
from tests.stage.sums.cluster import Cluster, cluster, wait_until

WORKERS = 2
_POLL_SECONDS = 0.01  # the service asks after every step, and now and then


def measure(contributions: int, weights: int) -> dict[str, Any]:
    """Seconds by the clock and of processors, of both; and how often ours go into Dask's.

    Contributions of so many weights, 3 bytes each, lie in ``build`` meanwhile.
    """
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name, closing(_Stored(name)) as stored:
        vectors = {m: stored.vector(m, contributions, weights) for m in range(contributions)}
        here = stored.added(InProcess(), "study/1", vectors, weights)
        with cluster(stored.folder / "dask", 0) as workers:
            for _ in range(WORKERS):
                workers.add_worker(MALLOC_TRIM_THRESHOLD_=str(1 << 30))
            with closing(summation_at(workers.place, None)) as summation:
                wait_until(lambda: _all_are_there(summation))
                dask = stored.added(summation, "study/2", vectors, weights, workers)
        assert stored.are_equal(vectors, weights, "study/1", "study/2")
    found = {"contributions": contributions, "weights": weights, "workers": WORKERS}
    ratios = {name: dask[name] / here[name] for name in here}
    return found | {"in_process": here, "dask": dask, "ratio": ratios}


def _all_are_there(summation: Any) -> bool:
    client = summation._connection.client
    return client is not None and len(client.scheduler_info()["workers"]) == WORKERS


class _Stored:
    """Vectors in a data folder, as the aggregator keeps them."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._store = BoardStore(self.folder)
        self._blobs = BlobStore(self.folder, self._store)

    def close(self) -> None:
        self._store.close()

    def vector(self, member: int, contributions: int, weights: int) -> Vector:
        """Random numbers, no two chunks alike: what is read once is in no cache of ours."""
        lattice = Lattice(S1, contributions)
        sizes = (
            lattice.contribution_chunk_bytes(chunk, weights)
            for chunk in range(lattice.chunk_count(weights))
        )
        return Vector(bytes([member]) * 32, tuple(self._blobs.put(os.urandom(n)) for n in sizes))

    def added(
        self,
        summation: Summation,
        session: str,
        vectors: Mapping[int, Vector],
        weights: int,
        workers: Cluster | None = None,
    ) -> dict[str, float]:
        """What it takes to add them."""
        others = [p.pid for p in (workers.scheduler, *workers.workers)] if workers else []
        total = self.total(session, len(vectors), weights)
        cpu, began = time.process_time() + sum(map(cpu_of, others)), time.monotonic()
        while total.summed(vectors) < total.chunk_count:
            if not summation.advance(total, vectors, self._blobs):
                time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        used = time.process_time() + sum(map(cpu_of, others)) - cpu
        return {"seconds": seconds, "cpu_seconds": used}

    def total(self, session: str, contributions: int, weights: int) -> VectorSum:
        return VectorSum(self.folder, session, Lattice(S1, contributions), weights)

    def are_equal(self, vectors: Mapping[int, Vector], weights: int, *sessions: str) -> bool:
        """Whether two sums are the same, chunk by chunk."""
        one, other = (self.total(session, len(vectors), weights) for session in sessions)
        sums = ((one.read(k, vectors), other.read(k, vectors)) for k in range(one.chunk_count))
        return all(first is not None and first == second for first, second in sums)
