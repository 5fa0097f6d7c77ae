# SPDX-License-Identifier: Apache-2.0
"""An NVFlare that this package was not written for is refused, with both versions."""

import pytest
from quorate_nvflare.versions import check_nvflare

from quorate_client.versions import WrongVersion


@pytest.mark.parametrize("found", ["2.9.0", "2.9.3", "2.10.0rc1"])
def test_versions_from_2_9_on_are_taken(found: str) -> None:
    check_nvflare(found)


@pytest.mark.parametrize(("found", "age"), [("2.8.1", "old"), ("1.9", "old"), ("3.0.0", "new")])
def test_others_are_refused_with_both_versions(found: str, age: str) -> None:
    with pytest.raises(
        WrongVersion, match=f"nvflare {found} is too {age} .* 2.9 or later and no 3.x"
    ):
        check_nvflare(found)
