# SPDX-License-Identifier: Apache-2.0
"""A Flower that this package was not written for is refused, with both versions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from quorate_flower.versions import check_flower

from quorate_client.versions import WrongVersion


@pytest.mark.parametrize("found", ["1.40.0", "1.42.0", "1.43.0.dev20261201", "1.99rc1"])
def test_versions_from_1_40_on_are_taken(found: str) -> None:
    check_flower(found)


@pytest.mark.parametrize(("found", "age"), [("1.39.0", "old"), ("0.19", "old"), ("2.0.0", "new")])
def test_others_are_refused_with_both_versions(found: str, age: str) -> None:
    with pytest.raises(
        WrongVersion, match=f"flwr {found} is too {age} .* 1.40 or later and no 2.x"
    ):
        check_flower(found)


def test_the_gate_says_so_in_one_line(tmp_path: Path) -> None:
    """Another Flower is found first."""
    about = tmp_path / "flwr-1.39.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: flwr\nVersion: 1.39.0\n")
    done = subprocess.run(
        [sys.executable, "-m", "quorate_flower.gate", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("quorate gate: flwr 1.39.0 is too old")
    assert done.stderr.count("\n") == 1
