"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine is slow, not wrong: no deadline for a single example.
settings.register_profile("quorate", deadline=None)
settings.load_profile("quorate")

LONGEST = ("test_federation.py", "test_simulator.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, or one worker would end alone with them."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
