"""Sums made by the workers of a Dask scheduler."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aggregator.rounds import InProcess, Vector, VectorSum
from aggregator.store import BlobStore
from aggregator.sums.connection import Connection
from aggregator.sums.task import RELEASE, ChunkDone, ChunkTask, make_chunk

log = logging.getLogger("quorate.aggregator")

_AT_ONCE = 64  # tasks of a round that are with the scheduler
_PATIENCE_SECONDS = 60  # without an answer to any of them


@dataclass
class _Asked:
    """What the scheduler has of a round: by chunk, the task's future and what it adds."""

    client: Any
    heard: float = 0.0  # when there last was an answer, or nothing to answer
    futures: dict[int, tuple[Any, Mapping[int, Vector]]] = field(default_factory=dict)


class OnDask:
    """Asks for chunks, and checks what comes. What a worker does not do is done here."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._here = connection, InProcess()
        self._asked: dict[str, _Asked] = {}
        self._told: set[str] = set()

    def advance(self, total: VectorSum, vectors: Mapping[int, Vector], blobs: BlobStore) -> bool:
        """Take one chunk that is done; else ask for what lacks."""
        client = self._connection.client
        if client is None:
            self._asked.clear()
            return self._here.advance(total, vectors, blobs)
        asked = self._asked.get(total.session)
        if asked is None or asked.client is not client:
            asked = self._asked[total.session] = _Asked(client)
        done = next((c for c, future in asked.futures.items() if future[0].done()), None)
        if done is not None:
            asked.heard = time.monotonic()
            self._take(done, *asked.futures.pop(done), total, blobs)
            return True
        if not asked.futures:
            asked.heard = time.monotonic()
        elif time.monotonic() > asked.heard + _PATIENCE_SECONDS:
            self._tell("does not answer: this aggregator adds here what it should have added")
            chunk, (_, wanted) = asked.futures.popitem()
            total.make(chunk, wanted, blobs.read)
            return True
        for chunk in total.lacking(vectors):
            if len(asked.futures) >= _AT_ONCE:
                break
            if chunk not in asked.futures:  # one task a chunk: two would write one file
                task = _task(total, chunk, vectors)
                future = client.submit(make_chunk, task, RELEASE, pure=False)
                asked.futures[chunk] = future, vectors
        return False

    def close(self) -> None:
        """Let go of the scheduler; what it still has to do changes nothing any more."""
        self._asked.clear()
        self._connection.close()

    def _take(
        self,
        chunk: int,
        future: Any,
        vectors: Mapping[int, Vector],
        total: VectorSum,
        blobs: BlobStore,
    ) -> None:
        if future.status == "cancelled":
            return  # the scheduler is gone
        if future.status != "finished":
            wrong = f"failed at its task ({future.exception()})"
        else:
            wrong = self._wrong(future.result(), chunk, vectors, total, blobs)
        if wrong:
            self._tell(f"{wrong}: this aggregator adds here what it should have added")
            total.discard(chunk)
            total.make(chunk, vectors, blobs.read)

    def _wrong(
        self,
        found: Any,
        chunk: int,
        vectors: Mapping[int, Vector],
        total: VectorSum,
        blobs: BlobStore,
    ) -> str:
        """What is wrong with a worker's answer; empty, and the chunk is taken, if nothing is."""
        if not isinstance(found, ChunkDone):
            return "gave an answer that is none"
        if found.refused:
            return f"adds nothing, since {found.refused}"
        if found.trims:
            self._tell("has MALLOC_TRIM_THRESHOLD_=65536, which makes sums cost twice the time")
        if total.written(chunk) != (found.digest, found.size):
            return "wrote another file than it says"
        if not total.accept(chunk, vectors, blobs.part):
            return f"wrote a wrong sum of {total.session}"
        return ""

    def _tell(self, what: str) -> None:
        """Log once what goes on so."""
        if what not in self._told:
            self._told.add(what)
            log.warning("a worker of %s %s", self._connection.place, what)


def _task(total: VectorSum, chunk: int, vectors: Mapping[int, Vector]) -> ChunkTask:
    lattice = total.lattice
    named = tuple((m, v.post, v.chunks[chunk]) for m, v in sorted(vectors.items()))
    return ChunkTask(
        str(total.data_folder.resolve()),
        total.session,
        lattice.ring.name,
        lattice.members,
        lattice.weights_per_coefficient,
        total.length,
        chunk,
        named,
    )
