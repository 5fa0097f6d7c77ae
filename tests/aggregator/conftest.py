"""A PostgreSQL for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.stage.boards.server import Server, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for all; each test has a database of its own."""
    with running() as server:
        yield server
