"""A PostgreSQL for the tests of a module."""

from collections.abc import Iterator

import pytest

from aggregator.postgresql import lead
from tests.stage.boards.server import Server, running


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
