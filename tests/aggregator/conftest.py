"""A PostgreSQL and an S3 server for tests."""

from collections.abc import Iterator

import pytest

from aggregator.postgresql import lead
from tests.stage.boards.server import Server, running
from tests.stage.objects import server as object_server


@pytest.fixture
def patient_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for seconds, as a busy one of tests does, costs no lead."""
    monkeypatch.setattr(lead, "SILENT_MS", 60_000)
    monkeypatch.setattr(lead, "_SURE_SECONDS", 50.0)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for all; each test has a database of its own."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def objects() -> Iterator[object_server.ObjectServer]:
    """One server for all; each test has a bucket of its own."""
    with object_server.running() as server:
        yield server
