# SPDX-License-Identifier: Apache-2.0
"""A Flower that this package was not written for is refused, with both versions."""

import pytest
from quorate_flower.versions import WrongFlower, check_flower


@pytest.mark.parametrize("found", ["1.40.0", "1.42.0", "1.43.0.dev20261201", "1.99rc1"])
def test_versions_from_1_40_on_are_taken(found: str) -> None:
    check_flower(found)


@pytest.mark.parametrize(("found", "age"), [("1.39.0", "old"), ("0.19", "old"), ("2.0.0", "new")])
def test_others_are_refused_with_both_versions(found: str, age: str) -> None:
    with pytest.raises(WrongFlower, match=f"flwr {found} is too {age} .* 1.40 or later and no 2.x"):
        check_flower(found)
