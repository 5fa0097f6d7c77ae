"""Every database that a board may be in."""

from pathlib import Path

import pytest

from tests.stage.boards.backend import Backend, InAFile


@pytest.fixture(params=["sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """One that is empty."""
    return InAFile(tmp_path / "database")
