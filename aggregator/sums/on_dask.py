"""Sums made by the workers of a Dask scheduler."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from aggregator.rounds import InProcess, Vector, VectorSum
from aggregator.store import BlobStore
from aggregator.sums.connection import Connection
from aggregator.sums.task import RELEASE, ChunkDone, ChunkTask, make_chunk
from protocol.words import shown

log = logging.getLogger("quorate.aggregator")

_AT_ONCE = 64  # tasks of a round that are with the scheduler
_PATIENCE_SECONDS = 60  # without an answer to any of them


@dataclass
class _Asked:
    """What the scheduler has of a round: by chunk, the task's future and what it adds."""

    client: Any  # None while there is no scheduler
    heard: float = 0.0  # when there last was an answer, or nothing to answer
    futures: dict[int, tuple[Any, Mapping[int, Vector]]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class OnDask:
    """Asks for chunks, and checks what comes. What a worker does not do is done here."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._here = connection, InProcess()
        self._asked = WeakKeyDictionary[VectorSum, _Asked]()  # what is asked ends with the round

    def advance(self, total: VectorSum, vectors: Mapping[int, Vector], blobs: BlobStore) -> bool:
        """Take one chunk that is done; else ask for what lacks."""
        client, asked = self._connection.client, self._asked.setdefault(total, _Asked(None))
        if asked.client is not client:
            for chunk in asked.futures:
                total.discard(chunk)  # nobody has looked at what a worker wrote
            asked = self._asked[total] = _Asked(client)
        if client is None:
            return self._here.advance(total, vectors, blobs)
        done = next((c for c, future in asked.futures.items() if future[0].done()), None)
        if done is not None:
            asked.heard = time.monotonic()
            self._take(done, asked, total, blobs)
            return True
        if not asked.futures:
            asked.heard = time.monotonic()
        elif time.monotonic() > asked.heard + _PATIENCE_SECONDS:
            chunk, (_, wanted) = asked.futures.popitem()
            self._tell_failed(asked, "does not answer")
            _make_anew(total, chunk, wanted, blobs)
            return True
        for chunk in total.lacking(vectors):
            if len(asked.futures) >= _AT_ONCE:
                break
            if chunk not in asked.futures:  # one task a chunk: two would write one file
                task = _task(total, chunk, vectors, blobs)
                future = client.submit(make_chunk, task, RELEASE, pure=False)
                asked.futures[chunk] = future, vectors
        return False

    def close(self) -> None:
        """Let go of the scheduler; its workers end the tasks that they have begun."""
        self._asked.clear()
        self._connection.close()

    def _take(self, chunk: int, asked: _Asked, total: VectorSum, blobs: BlobStore) -> None:
        """Take a chunk whose task has ended, or make it here."""
        future, vectors = asked.futures.pop(chunk)
        if future.status == "cancelled":  # the scheduler is gone
            total.discard(chunk)
            return
        found = future.result() if future.status == "finished" else None
        if future.status != "finished":
            self._tell_failed(asked, "failed at its task", future.exception())
        elif not isinstance(found, ChunkDone):
            self._tell_failed(asked, "gave an answer that is none")
        elif found.refused:
            self._tell_failed(asked, "adds nothing", found.refused)
        elif not total.accept(chunk, vectors, found.digest, blobs.part):
            self._tell_failed(asked, "wrote a wrong sum", total.session)
        else:
            return
        _make_anew(total, chunk, vectors, blobs)

    def _tell_failed(self, asked: _Asked, what: str, why: object = "") -> None:
        """Log what goes on so once a round."""
        if what not in asked.told:
            asked.told.add(what)
            reason = f" ({shown(str(why))})" if why else ""  # a worker's words
            rest = "this aggregator adds here what it should have added"
            log.warning("a worker of %s %s%s: %s", self._connection.place, what, reason, rest)


def _make_anew(
    total: VectorSum, chunk: int, vectors: Mapping[int, Vector], blobs: BlobStore
) -> None:
    """Here, and not from what a worker wrote, at which nobody has looked."""
    total.discard(chunk)
    total.make(chunk, vectors, blobs.read)


def _task(
    total: VectorSum, chunk: int, vectors: Mapping[int, Vector], blobs: BlobStore
) -> ChunkTask:
    lattice = total.lattice
    named = tuple((m, v.post, v.chunks[chunk]) for m, v in sorted(vectors.items()))
    return ChunkTask(
        str(total.data_folder.resolve()),
        blobs.place,
        total.session,
        lattice.ring.name,
        lattice.members,
        lattice.weights_per_coefficient,
        total.length,
        chunk,
        named,
    )
