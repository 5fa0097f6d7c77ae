"""What is made of workers' answers, and of what they write that nobody has looked at."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregator.rounds import VectorSum
from aggregator.sums.on_dask import OnDask
from aggregator.sums.task import ChunkDone
from tests.stage.sums.played import PlayedScheduler, Task, on_played
from tests.stage.sums.vectors import CHUNKS, MEMBERS, StoredVectors


@pytest.fixture
def stored(tmp_path: Path) -> StoredVectors:
    return StoredVectors(tmp_path / "data")


@pytest.fixture
def scheduler() -> PlayedScheduler:
    return PlayedScheduler()


@pytest.fixture
def made(scheduler: PlayedScheduler) -> OnDask:
    return on_played(scheduler)


def finish(made: OnDask, total: VectorSum, stored: StoredVectors) -> None:
    vectors = stored.of(*MEMBERS)
    while total.summed(vectors) < CHUNKS:
        assert made.advance(total, vectors, stored.blobs)
    for chunk in range(CHUNKS):
        assert total.read(chunk, vectors) == stored.expected(chunk, *MEMBERS)


def lie(stored: StoredVectors, chunk: int, *members: int) -> bytes:
    """As a worker that writes another sum of these members; what its file begins with."""
    worker, data = stored.sum(), stored.data
    worker.discard(chunk)
    return worker.make(chunk, stored.of(*members), lambda name: bytes(len(data[1, chunk])))


def answer_with(found: object) -> Callable[[StoredVectors, int, Task], None]:
    def answer(stored: StoredVectors, chunk: int, task: Task) -> None:
        lie(stored, chunk, *MEMBERS)
        task.answer(found)

    return answer


def tell_of_no_file(stored: StoredVectors, chunk: int, task: Task) -> None:
    """The sum is right, and what it begins with is not said."""
    stored.sum().make(chunk, stored.of(*MEMBERS), stored.blobs.read)
    nothing: Any = None
    task.answer(ChunkDone(nothing))


def tell_of_a_lie(stored: StoredVectors, chunk: int, task: Task) -> None:
    task.answer(ChunkDone(lie(stored, chunk, *MEMBERS)))


def tell_of_too_few(stored: StoredVectors, chunk: int, task: Task) -> None:
    worker = stored.sum()
    task.answer(ChunkDone(worker.make(chunk, stored.of(1, 2), stored.blobs.read)))


def fail(stored: StoredVectors, chunk: int, task: Task) -> None:
    lie(stored, chunk, *MEMBERS)
    task.fail(ValueError("no such ring"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answer_with(7), "gave an answer that is none"),
        (answer_with(ChunkDone(b"", refused="it is late")), "adds nothing (it is late)"),
        (answer_with(ChunkDone(b"d" * 32)), "wrote a wrong sum (study/cardio/1)"),
        (tell_of_no_file, "wrote a wrong sum (study/cardio/1)"),
        (tell_of_a_lie, "wrote a wrong sum (study/cardio/1)"),
        (tell_of_too_few, "wrote a wrong sum (study/cardio/1)"),
        (fail, "failed at its task (no such ring)"),
    ],
)
def test_a_bad_answer_is_told_of_once_a_round_and_the_sum_is_made_here(
    made: OnDask,
    scheduler: PlayedScheduler,
    stored: StoredVectors,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[StoredVectors, int, Task], None],
    said: str,
) -> None:
    total = stored.sum()
    assert not made.advance(total, stored.of(*MEMBERS), stored.blobs)
    for chunk, task in enumerate(scheduler.tasks):
        answer(stored, chunk, task)
    finish(made, total, stored)
    assert [record.getMessage() for record in caplog.records] == [
        f"a worker of {scheduler.place} {said}: this aggregator adds here what it should have added"
    ]


def test_what_a_worker_says_fits_on_a_line(
    made: OnDask,
    scheduler: PlayedScheduler,
    stored: StoredVectors,
    caplog: pytest.LogCaptureFixture,
) -> None:
    total = stored.sum()
    made.advance(total, stored.of(*MEMBERS), stored.blobs)
    for task in scheduler.tasks:
        task.answer(ChunkDone(b"", refused="\x1b[2J\n" + "x" * 100_000))
    finish(made, total, stored)
    assert len(caplog.text) < 1_000
    assert "\x1b" not in caplog.text


def go_away(scheduler: PlayedScheduler, patch: pytest.MonkeyPatch) -> None:
    scheduler.client = None


def lose_its_tasks(scheduler: PlayedScheduler, patch: pytest.MonkeyPatch) -> None:
    for task in scheduler.tasks:
        task.lose()


def say_nothing(scheduler: PlayedScheduler, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("aggregator.sums.on_dask._PATIENCE_SECONDS", -1)


@pytest.mark.parametrize("end", [go_away, lose_its_tasks, say_nothing])
def test_a_file_of_a_task_without_an_answer_is_in_no_sum(
    made: OnDask,
    scheduler: PlayedScheduler,
    stored: StoredVectors,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[PlayedScheduler, pytest.MonkeyPatch], None],
) -> None:
    total = stored.sum()
    made.advance(total, stored.of(*MEMBERS), stored.blobs)
    for chunk in range(CHUNKS):
        lie(stored, chunk, *MEMBERS)
    end(scheduler, monkeypatch)
    for _ in range(CHUNKS):
        assert made.advance(total, stored.of(*MEMBERS), stored.blobs)
    scheduler.client = None
    finish(made, total, stored)


def test_what_a_late_worker_writes_over_a_sum_is_neither_sent_nor_added_to(
    made: OnDask, scheduler: PlayedScheduler, stored: StoredVectors
) -> None:
    scheduler.client, total = None, stored.sum()
    for chunk in range(CHUNKS):
        total.make(chunk, stored.of(1, 2), stored.blobs.read)
        lie(stored, chunk, 1, 2)
    assert total.read(0, stored.of(1, 2)) is None
    finish(made, total, stored)
    lie(stored, 1, *MEMBERS)
    assert total.read(1, stored.of(*MEMBERS)) is None
    finish(made, total, stored)


def test_nothing_is_kept_of_a_round_that_is_over(
    made: OnDask, scheduler: PlayedScheduler, stored: StoredVectors
) -> None:
    total = stored.sum()
    made.advance(total, stored.of(*MEMBERS), stored.blobs)
    assert len(made._asked) == 1
    del total
    gc.collect()
    assert not made._asked
