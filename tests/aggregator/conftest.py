"""What the tests of the aggregator share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An aggregator of a toy federation, without a network."""
    desk = Desk(tmp_path)
    yield desk
    desk.service.close()
