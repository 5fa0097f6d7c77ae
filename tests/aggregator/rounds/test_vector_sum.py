"""The running sum on disk: resumable at any point, mended where damaged, one chunk in memory."""

import errno
import itertools
import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from aggregator.errors import StoreFull
from aggregator.rounds.vector_sum import Vector, VectorSum, remove_sums
from keyshare.hybrid.lattice import S1, S2, Lattice, Ring
from protocol.encoding import encode
from protocol.messages.attachment import blob_name
from protocol.programs.temporary import aside
from tests.stage.desk import SECONDS, Desk
from tests.stage.files import flipped
from tests.stage.mortal import survived
from tests.stage.rounds.served_hybrid import Hospitals, hybrid_desk, work
from tests.stage.studies import SESSION

LENGTH = 20_000  # three short chunks
SHAPE = Lattice(S1, 3)


class Vectors:
    """Random vectors in memory; ``read`` notes which blobs it was asked for."""

    def __init__(self, shape: Lattice = SHAPE, length: int = LENGTH) -> None:
        self.shape, self.length = shape, length
        self.blobs: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self.all = {member: self._vector(member) for member in range(1, shape.members + 1)}

    def _vector(self, member: int) -> Vector:
        draw, names = np.random.default_rng(member), []
        for chunk in range(self.shape.chunk_count(self.length)):
            data = draw.bytes(self.shape.contribution_chunk_bytes(chunk, self.length))
            names.append(blob_name(data))
            self.blobs[names[-1]] = data
        return Vector(bytes([member]) * 32, tuple(names))

    def of(self, *members: int) -> dict[int, Vector]:
        return {member: self.all[member] for member in members}

    def read(self, name: bytes) -> bytes:
        self.asked.append(name)
        return self.blobs[name]

    def part(self, name: bytes, offset: int, size: int) -> bytes:
        return self.blobs[name][offset : offset + size]

    def expected(self, chunk: int, *members: int) -> bytes:
        """The sum in Python's integers."""
        width, total = self.shape.contribution_bytes, list[int]()
        for member in members:
            data = self.blobs[self.all[member].chunks[chunk]]
            found = [
                int.from_bytes(data[k : k + width], "little") for k in range(0, len(data), width)
            ]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        return b"".join(value.to_bytes(self.shape.sum_bytes, "little") for value in total)

    def sum(self, folder: Path) -> VectorSum:
        return VectorSum(folder, SESSION, self.shape, self.length)


def finish(running: VectorSum, vectors: Vectors, *members: int) -> None:
    while running.advance(vectors.of(*members), vectors.read):
        pass


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("ring", [S1, S2])
def test_members_may_come_one_by_one_or_together(tmp_path: Path, ring: Ring) -> None:
    vectors = Vectors(Lattice(ring, 3))
    running = vectors.sum(tmp_path)
    finish(running, vectors, 2)
    finish(running, vectors, 1, 2, 3)
    for chunk in range(running.chunk_count):
        assert running.read(chunk, vectors.of(1, 2, 3)) == vectors.expected(chunk, 1, 2, 3)
    assert len(vectors.asked) == len(set(vectors.asked)) == len(vectors.blobs)


@pytest.mark.usefixtures("short_chunks")
def test_one_call_works_on_one_chunk_and_says_whether_more_wait(tmp_path: Path) -> None:
    vectors = Vectors()
    running, pair = vectors.sum(tmp_path), vectors.of(1, 2)
    assert [running.advance(pair, vectors.read) for _ in range(4)] == [True, True, False, False]
    assert running.summed(pair) == 3
    assert running.summed(vectors.of(1)) == 0
    assert len(vectors.asked) == 6


@pytest.mark.usefixtures("short_chunks")
def test_a_new_object_adds_nobody_again(tmp_path: Path) -> None:
    vectors = Vectors()
    finish(vectors.sum(tmp_path), vectors, 1, 2)
    vectors.asked.clear()
    again = vectors.sum(tmp_path)
    finish(again, vectors, 1, 2)
    assert vectors.asked == []
    finish(again, vectors, 1, 2, 3)
    assert set(vectors.asked) == set(vectors.all[3].chunks)
    assert again.read(0, vectors.of(1, 2, 3)) == vectors.expected(0, 1, 2, 3)


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("position", [0, 40, 5_000, -1])
def test_a_damaged_file_is_made_anew(tmp_path: Path, position: int) -> None:
    vectors = Vectors()
    finish(vectors.sum(tmp_path), vectors, 1, 2)
    path = tmp_path / "sums" / "study-cardio-1" / "chunk-1"
    path.write_bytes(flipped(path.read_bytes(), position))
    running, vectors.asked = vectors.sum(tmp_path), []
    finish(running, vectors, 1, 2)
    assert vectors.asked == [vectors.all[m].chunks[1] for m in (1, 2)]
    assert running.read(1, vectors.of(1, 2)) == vectors.expected(1, 1, 2)


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"short")])
def test_a_file_damaged_while_it_is_in_use_waits_to_be_made_anew(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    vectors = Vectors()
    running = vectors.sum(tmp_path)
    finish(running, vectors, 1, 2)
    damage(tmp_path / "sums" / "study-cardio-1" / "chunk-1")
    assert running.read(1, vectors.of(1, 2)) is None
    assert running.summed(vectors.of(1, 2)) == 2
    finish(running, vectors, 1, 2)
    assert running.read(1, vectors.of(1, 2)) == vectors.expected(1, 1, 2)


@pytest.mark.usefixtures("short_chunks")
def test_a_sum_with_a_post_that_is_not_in_the_round_is_made_anew(tmp_path: Path) -> None:
    vectors = Vectors()
    finish(vectors.sum(tmp_path), vectors, 1, 2, 3)
    running = vectors.sum(tmp_path)
    finish(running, vectors, 1, 2)
    vectors.all[2] = Vector(b"other post" + bytes(22), vectors.all[2].chunks)
    for chunk in range(3):
        assert running.read(chunk, vectors.of(1, 2)) is None
    finish(running, vectors, 1, 2)
    assert running.read(0, vectors.of(1, 2)) == vectors.expected(0, 1, 2)


@pytest.mark.usefixtures("short_chunks")
def test_files_of_another_round_or_chunk_are_not_taken(tmp_path: Path) -> None:
    vectors = Vectors()
    finish(vectors.sum(tmp_path), vectors, 1, 2)
    folder = tmp_path / "sums" / "study-cardio-1"
    shutil.copy(folder / "chunk-0", folder / "chunk-1")
    shutil.copytree(folder, tmp_path / "sums" / "study-cardio-2")
    vectors.asked.clear()
    finish(vectors.sum(tmp_path), vectors, 1, 2)
    assert len(vectors.asked) == 2
    finish(VectorSum(tmp_path, "study/cardio/2", SHAPE, LENGTH), vectors, 1, 2)
    assert len(vectors.asked) == 2 + 6


@pytest.mark.usefixtures("short_chunks")
def test_a_file_is_taken_for_those_whom_it_names(tmp_path: Path) -> None:
    """The third adds nothing but zeros, so that the words are those of all three."""
    vectors = Vectors()
    zeros = vectors.all[3].chunks[0]
    vectors.blobs[zeros] = bytes(len(vectors.blobs[zeros]))
    written = vectors.sum(tmp_path).make(0, vectors.of(1, 2), vectors.read)
    taken = partial(vectors.sum(tmp_path).accept, written=written, read_part=vectors.part)
    assert not taken(0, vectors.of(1, 2, 3))
    assert taken(0, vectors.of(1, 2))


@pytest.mark.usefixtures("short_chunks")
def test_what_is_left_of_closed_rounds_goes(tmp_path: Path) -> None:
    vectors = Vectors()
    for session in ("study/cardio/1", "study/cardio/2"):
        VectorSum(tmp_path, session, SHAPE, LENGTH).advance(vectors.of(1, 2), vectors.read)
    remove_sums(tmp_path, frozenset({"study/cardio/2"}))
    assert [path.name for path in (tmp_path / "sums").iterdir()] == ["study-cardio-2"]


@pytest.mark.usefixtures("short_chunks")
def test_what_a_dead_process_was_writing_goes_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    vectors = Vectors()
    finish(vectors.sum(tmp_path), vectors, 1, 2)
    folder = tmp_path / "sums" / "study-cardio-1"
    dead = folder / f".quorate-{'0' * 32}.tmp"
    dead.write_bytes(b"half a su")
    with aside(folder / "chunk-9", StoreFull.of) as living:
        remove_sums(tmp_path, frozenset({SESSION}))
        found = {path.name for path in folder.iterdir()}
    assert found == {"chunk-0", "chunk-1", "chunk-2", living.temporary.name}


@pytest.mark.usefixtures("short_chunks")
def test_a_full_disk_keeps_nothing_of_what_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = Vectors()
    running = vectors.sum(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse)
    for _ in range(3):
        with pytest.raises(StoreFull):
            running.advance(vectors.of(1, 2), vectors.read)
    assert list((tmp_path / "sums" / "study-cardio-1").iterdir()) == []


def refuse(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_memory_holds_a_chunk_and_not_a_vector(tmp_path: Path) -> None:
    shape = Lattice(S1, 4)
    length = 24 * shape.chunk_weights
    chunk = bytes(shape.contribution_chunk_bytes(0, length))
    vectors = {m: Vector(bytes([m]) * 32, (b"",) * 24) for m in range(1, 5)}
    running = VectorSum(tmp_path, SESSION, shape, length)
    tracemalloc.start()
    try:
        while running.advance(vectors, lambda name: chunk):
            pass
        assert running.read(0, vectors)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(chunk)  # three times as much would be one vector


# ── death at every durable point ──


def copies(base: Path) -> Iterator[tuple[int, Path]]:
    """The folder again and again, and how many durable points each time passes."""
    for dies_at in itertools.count(1):
        yield dies_at, Path(shutil.copytree(base, base.parent / str(dies_at)))
        shutil.rmtree(base.parent / str(dies_at))


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize(("has_begun", "length"), [(False, 10_000), (True, 5_000)])
def test_death_at_any_durable_point_gives_the_same_closing(
    tmp_path: Path, has_begun: bool, length: int
) -> None:
    desk = hybrid_desk(tmp_path / "base")
    desk.open_training(length=length)
    hospitals = Hospitals(desk)
    first = hospitals.contribute(1)
    if has_begun:
        work(desk)
    others = hospitals.fill(2, 4)
    desk.service.close()
    closings = set()
    for dies_at, folder in copies(tmp_path / "base"):
        desk = Desk(folder, desk.federation, desk.time_ms)
        is_last = survived(partial(work, desk, SECONDS), dies_at)
        desk.service.close()
        desk.restart()
        work(desk, SECONDS)
        closing = desk.closing(SESSION)
        assert closing is not None
        closings.add(encode(closing))
        assert not any((folder / "sums").iterdir())
        desk.service.close()
        if is_last:
            break
    assert dies_at > 30
    assert len(closings) == 1
    assert (Hospitals(desk).opened_sum() == first.values + sum(m.values for m in others)).all()
