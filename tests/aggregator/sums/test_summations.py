"""What is true of sums wherever they are made: in this process, and by real workers of Dask."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.objects import open_bucket
from aggregator.rounds import InProcess, Summation, VectorSum
from aggregator.sums.connection import Connection
from aggregator.sums.on_dask import OnDask
from tests.stage.desk import SECONDS
from tests.stage.objects.server import ObjectServer
from tests.stage.rounds.served_hybrid import Hospitals, hybrid_desk
from tests.stage.studies import SESSION
from tests.stage.sums.certificates import issue
from tests.stage.sums.cluster import Cluster, cluster, wait_until
from tests.stage.sums.vectors import CHUNKS, MEMBERS, StoredVectors

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def on_dask(found: Cluster) -> Iterator[OnDask]:
    connection = Connection(found.place, None)
    with contextlib.closing(OnDask(connection)) as summation:
        wait_until(lambda: connection.client is not None)
        yield summation


@pytest.fixture
def workers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process adds nothing itself, as it may where a worker does not."""

    def make(*given: object) -> None:
        pytest.fail("this process has made a sum that was a worker's")

    monkeypatch.setattr(VectorSum, "make", make)


@pytest.fixture
def stored(tmp_path: Path) -> StoredVectors:
    return StoredVectors(tmp_path / "data")


@pytest.fixture(params=["in process", "dask"])
def summation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Summation]:
    if request.param == "in process":
        yield InProcess()
        return
    request.getfixturevalue("workers_alone")
    with cluster(tmp_path / "dask", 2) as found, on_dask(found) as made:
        yield made


def finish(made: Summation, total: VectorSum, stored: StoredVectors, *members: int) -> None:
    vectors = stored.of(*members)

    def is_done() -> bool:
        made.advance(total, vectors, stored.blobs)
        return total.summed(vectors) == CHUNKS

    wait_until(is_done)
    for chunk in range(CHUNKS):
        assert total.read(chunk, vectors) == stored.expected(chunk, *members)


def test_members_come_together_or_one_by_one(
    summation: Summation, tmp_path: Path, stored: StoredVectors
) -> None:
    total = stored.sum()
    for members in ((2,), (1, 2), MEMBERS):
        finish(summation, total, stored, *members)


def test_a_new_object_goes_on_with_what_is_there(
    summation: Summation, tmp_path: Path, stored: StoredVectors
) -> None:
    finish(summation, stored.sum(), stored, 1, 2)
    finish(summation, stored.sum(), stored, *MEMBERS)


@pytest.mark.usefixtures("workers_alone")
def test_workers_read_from_a_bucket_what_is_not_in_the_folder(
    tmp_path: Path, objects: ObjectServer
) -> None:
    address = f"{objects.new_bucket()}/federation"
    with contextlib.closing(open_bucket(address)) as bucket:
        stored = StoredVectors(tmp_path / "data", bucket)
        with cluster(tmp_path / "dask") as found, on_dask(found) as made:
            finish(made, stored.sum(), stored, *MEMBERS)
    assert not (tmp_path / "data" / "blobs").exists()


def test_what_a_worker_cannot_read_from_the_bucket_is_added_here(
    tmp_path: Path, objects: ObjectServer, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(open_bucket(f"{objects.new_bucket()}/federation")) as bucket:
        stored = StoredVectors(tmp_path / "data", bucket)
        with cluster(tmp_path / "dask", 0) as found:
            found.add_worker(AWS_ENDPOINT_URL="http://127.0.0.1:1")
            with on_dask(found) as made:
                finish(made, stored.sum(), stored, *MEMBERS)
    assert "its object store fails: connection refused" in caplog.text


@pytest.mark.usefixtures("workers_alone")
def test_a_killed_workers_task_runs_on_another(tmp_path: Path, stored: StoredVectors) -> None:
    with cluster(tmp_path / "dask") as found, on_dask(found) as made:
        total = stored.sum()
        os.kill(found.workers[0].pid, signal.SIGSTOP)  # so it dies with its tasks undone
        assert not made.advance(total, stored.of(*MEMBERS), stored.blobs)
        found.add_worker()
        wait_until(lambda: len(made._connection.client.scheduler_info()["workers"]) == 2)
        found.workers[0].kill()
        finish(made, total, stored, *MEMBERS)


def test_a_frozen_workers_sums_are_made_here(
    tmp_path: Path,
    stored: StoredVectors,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aggregator.sums.on_dask._PATIENCE_SECONDS", 0.5)
    with cluster(tmp_path / "dask") as found, on_dask(found) as made:
        os.kill(found.workers[0].pid, signal.SIGSTOP)
        finish(made, stored.sum(), stored, *MEMBERS)
    assert "does not answer" in caplog.text


def test_while_the_scheduler_is_gone_sums_are_made_here(
    tmp_path: Path, stored: StoredVectors, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with cluster(tmp_path / "dask") as found, on_dask(found) as made:
        total = stored.sum()
        made.advance(total, stored.of(1, 2), stored.blobs)
        found.scheduler.kill()
        found.scheduler.wait()
        finish(made, total, stored, 1, 2)
        wait_until(lambda: made._connection.client is None)
        finish(made, total, stored, *MEMBERS)
        found.restart()
        found.add_worker()
        wait_until(lambda: made._connection.client is not None)
        finish(made, stored.sum(), stored, *MEMBERS)
    assert "sums are made here" in caplog.text
    assert "adds here" not in caplog.text  # of a worker that is there
    assert caplog.text.count("sums are made by the workers") == 2


LIAR = """# Dask runs this twice.
from aggregator.rounds.vector_sum import ChunkSum, VectorSum
import numpy as np

real = getattr(VectorSum, "real", VectorSum._write)

def lie(total, chunk, found):
    words = np.frombuffer(found.coefficients, "<u8")
    return real(total, chunk, ChunkSum(found.contributors, {words}.tobytes()))

VectorSum.real, VectorSum._write = real, lie
"""


@pytest.mark.parametrize("words", ["(words + np.uint64(1))", "np.zeros_like(words)"])
def test_a_lying_worker_is_told_of_and_its_sum_is_made_here(
    tmp_path: Path, stored: StoredVectors, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    preload = tmp_path / "liar.py"
    preload.write_text(LIAR.replace("{words}", words))
    with cluster(tmp_path / "dask", 0) as found:
        found.add_worker(preload)
        with on_dask(found) as made:
            finish(made, stored.sum(), stored, *MEMBERS)
    assert "wrote a wrong sum" in caplog.text


@pytest.mark.usefixtures("workers_alone")
def test_a_round_at_the_service_is_summed_by_workers(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path / "data")
    with cluster(tmp_path / "dask") as found, on_dask(found) as made:
        desk.service.summing._summation = made
        desk.open_training(length=10_000)
        hospitals = Hospitals(desk)
        values = sum(each.values for each in hospitals.fill())
        desk.time_ms += int(1000 * SECONDS)

        def is_closed() -> bool:
            desk.service.tick()
            return desk.closing(SESSION) is not None

        wait_until(is_closed)
    assert (hospitals.opened_sum() == values).all()


def test_a_worker_of_another_release_adds_nothing(
    tmp_path: Path,
    stored: StoredVectors,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aggregator.sums.on_dask.RELEASE", "0.0.9, chunk sums 1")
    with cluster(tmp_path / "dask") as found, on_dask(found) as made:
        finish(made, stored.sum(), stored, *MEMBERS)
    assert "the aggregator of 0.0.9" in caplog.text


def test_certificates_of_another_authority_get_nowhere(
    tmp_path: Path, stored: StoredVectors, caplog: pytest.LogCaptureFixture
) -> None:
    mine, other = issue(tmp_path / "mine"), issue(tmp_path / "other")
    with cluster(tmp_path / "dask", 1, mine) as found:
        right, wrong = Connection(found.place, mine), Connection(found.place, other)
        with (
            contextlib.closing(OnDask(right)) as made,
            contextlib.closing(OnDask(wrong)) as refused,
        ):
            wait_until(lambda: right.client is not None)
            finish(made, stored.sum(), stored, 1, 2)
            assert "adds here" not in caplog.text
            wait_until(lambda: "cannot be reached" in caplog.text)
            time.sleep(0.5)
            assert wrong.client is None
            finish(refused, stored.sum(), stored, *MEMBERS)
