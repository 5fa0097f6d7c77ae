"""Every database that a board may be in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage.boards.backend import Backend, InAFile, InPostgres
from tests.stage.desk import federation


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """One that is empty, for the board of the desk's federation."""
    if request.param == "sqlite":
        yield InAFile(tmp_path / "database")
        return
    request.getfixturevalue("patient_database")
    made = InPostgres(request.getfixturevalue("postgres"), federation().terms.federation)
    yield made
    made.close()
