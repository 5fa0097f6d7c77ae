"""What the tests of waiting share."""

from pathlib import Path

import pytest

from tests.stage.hall import ToldHall
from tests.stage.toy import toy_epoch


@pytest.fixture
def hall(tmp_path: Path) -> ToldHall:
    """Three hospitals that have a key."""
    return ToldHall(tmp_path, toy_epoch(3, 2).federation, 1_000_000_000)
