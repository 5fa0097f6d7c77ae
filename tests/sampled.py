"""Cases of which the fast tests take some, and the slow tests the others."""

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], every: int) -> list[Any]:
    """For ``parametrize``: the first, and from it every so-manyth, are fast."""
    return [
        pytest.param(case, marks=() if k % every == 0 else pytest.mark.slow)
        for k, case in enumerate(cases)
    ]
