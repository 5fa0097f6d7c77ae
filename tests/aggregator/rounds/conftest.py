"""What the tests of rounds share: a service with four hospitals, which can do without one."""

from pathlib import Path

import pytest

from tests.stage.desk import Desk, MakeDesk, federation


@pytest.fixture
def make_desk(tmp_path: Path) -> MakeDesk:
    return lambda **changes: Desk(tmp_path, federation(n=4, **changes))


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()
