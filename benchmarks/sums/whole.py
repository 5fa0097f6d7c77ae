"""The same vectors, all there at once, added by both.

A round is of 16 members at most. More contributions than that are those of several rounds, which
are added one after the other.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aggregator.rounds import InProcess, Summation, Vector, VectorSum
from aggregator.store import BlobStore, BoardStore
from aggregator.sums import summation_at
from benchmarks.timing import cpu_of
from examples.demo.processes import ROOT
from keyshare.ceremony import MAX_MEMBERS
from keyshare.hybrid import S1, Lattice
from tests.stage.sums.cluster import Cluster, cluster, wait_until

WORKERS = 2
_POLL_SECONDS = 0.01  # the service asks after every step, and now and then

Round = Mapping[int, Vector]


def measure(contributions: int, weights: int) -> dict[str, Any]:
    """Seconds by the clock and of processors, of both; and how often ours go into Dask's.

    contributions: of so many weights, 3 bytes each, which lie in ``build`` meanwhile.
    """
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name, closing(_Stored(name)) as stored:
        rounds = stored.rounds(contributions, weights)
        here = stored.added(InProcess(), "here", rounds, weights)
        with _dask(stored.folder / "dask") as (summation, workers):
            dask = stored.added(summation, "dask", rounds, weights, workers)
        assert stored.are_equal(rounds, weights, "here", "dask")
    ratio = {k: dask[k] / here[k] for k in here}
    about = {"contributions": contributions, "weights": weights, "workers": WORKERS}
    return about | {"in_process": here, "dask": dask, "ratio": ratio}


@contextmanager
def _dask(folder: Path) -> Iterator[tuple[Summation, Cluster]]:
    """The scheduler and its workers, once all of them are there."""
    with cluster(folder, 0) as workers:
        for _ in range(WORKERS):
            workers.add_worker()
        summation: Any = summation_at(workers.place, None)
        with closing(summation):
            wait_until(lambda: _all_are_there(summation._connection.client))
            yield summation, workers


def _all_are_there(client: Any) -> bool:
    return client is not None and len(client.scheduler_info()["workers"]) == WORKERS


class _Stored:
    """Vectors in a data folder, as the aggregator keeps them."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._store = BoardStore(self.folder)
        self._blobs = BlobStore(self.folder, self._store)

    def close(self) -> None:
        self._store.close()

    def rounds(self, contributions: int, weights: int) -> list[Round]:
        """Random numbers, no two chunks alike: what is read once is in no cache of ours."""
        sizes = [
            min(MAX_MEMBERS, contributions - first)
            for first in range(0, contributions, MAX_MEMBERS)
        ]
        return [{m: self._vector(m, n, weights) for m in range(1, n + 1)} for n in sizes]

    def _vector(self, member: int, members: int, weights: int) -> Vector:
        lattice = Lattice(S1, members)
        sizes = (
            lattice.contribution_chunk_bytes(chunk, weights)
            for chunk in range(lattice.chunk_count(weights))
        )
        return Vector(bytes([member]) * 32, tuple(self._blobs.put(os.urandom(n)) for n in sizes))

    def added(
        self,
        summation: Summation,
        study: str,
        rounds: Sequence[Round],
        weights: int,
        workers: Cluster | None = None,
    ) -> dict[str, float]:
        """What it takes to add them."""
        others = [p.pid for p in (workers.scheduler, *workers.workers)] if workers else []
        cpu, began = time.process_time() + sum(map(cpu_of, others)), time.monotonic()
        for total, vectors in zip(self._totals(study, rounds, weights), rounds, strict=True):
            while total.summed(vectors) < total.chunk_count:
                if not summation.advance(total, vectors, self._blobs):
                    time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        used = time.process_time() + sum(map(cpu_of, others)) - cpu
        return {"seconds": seconds, "cpu_seconds": used}

    def _totals(self, study: str, rounds: Sequence[Round], weights: int) -> list[VectorSum]:
        return [
            VectorSum(self.folder, f"study/{study}/{number}", Lattice(S1, len(vectors)), weights)
            for number, vectors in enumerate(rounds, 1)
        ]

    def are_equal(self, rounds: Sequence[Round], weights: int, *studies: str) -> bool:
        """Whether the sums of two studies are the same, chunk by chunk."""
        totals = (self._totals(study, rounds, weights) for study in studies)
        return all(
            (first := one.read(chunk, vectors)) is not None and first == other.read(chunk, vectors)
            for one, other, vectors in zip(*totals, rounds, strict=True)
            for chunk in range(one.chunk_count)
        )
