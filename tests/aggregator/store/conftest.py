"""Every database that a board may be in, and every place where blobs may lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage.boards.backend import Backend, InAFile, InPostgres
from tests.stage.desk import federation
from tests.stage.objects.backend import BlobBackend, InABucket, InAFolder


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


@pytest.fixture(params=["folder", "bucket"])
def blob_place(request: pytest.FixtureRequest, tmp_path: Path) -> BlobBackend:
    """One that is empty, for a service on ``tmp_path``."""
    if request.param == "folder":
        return InAFolder(tmp_path)
    return InABucket(request.getfixturevalue("objects"))
