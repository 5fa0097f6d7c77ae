# SPDX-License-Identifier: Apache-2.0
"""The gate between a SuperLink and a SuperNode of Flower's, each a process of its own.

The SuperLink speaks TLS, and knows the gate's key alone.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate.secure import SecureDeployment
from tests.stage.deployment import Deployment, until

APP = Path(__file__).parent / "app"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureDeployment]:
    with SecureDeployment(tmp_path_factory.mktemp("secure")) as made:
        made.superlink()
        yield made


def copied(folder: Path, name: str, version: str) -> Path:
    """The app with another version, which makes another bundle."""
    made = folder / name
    shutil.copytree(APP, made, ignore=shutil.ignore_patterns("__pycache__"))
    about = made / "pyproject.toml"
    about.write_text(about.read_text().replace("1.0.0", version))
    return made


@pytest.fixture(scope="module")
def app(deployment: SecureDeployment) -> Path:
    """The app that the hospital has listed, with a gate and a SuperNode that are up."""
    made = copied(deployment.folder, "listed", "1.0.0")
    options = ("--app", deployment.bundle(made), "--metrics", "train_loss", "--private-key")
    deployment.supernode(1, {}, deployment.gate(1, *options, deployment.registered_key()))
    until(lambda: "SuperNode ID" in deployment.log("supernode-1"))
    return made


def run(deployment: Deployment, app: Path, *sends: str) -> dict[str, str]:
    """What the ServerApp says that it got, by what it has asked for."""
    said = deployment.run(app, sends=f'"{" ".join(sends)}"')
    found = {kind: text.strip() for kind, text in re.findall(r"GOT (\w+):(.*)", said)}
    assert found.keys() == {*sends, "all"}, said + deployment.log("gate-1")
    return found


def test_of_a_listed_app_numbers_and_receipts_arrive_and_no_array(
    deployment: SecureDeployment, app: Path
) -> None:
    got = run(deployment, app, "numbers", "arrays", "large", "text", "error")
    assert "'metrics': {'num-examples': 1, 'train_loss': 0.123457}" in got["numbers"]
    assert "'model': 'abababab" in got["numbers"]
    for sends in ("arrays", "large"):
        assert got[sends].startswith("error 6: quorate gate: a reply has")
        assert "no arrays may leave, so the app must use quorate_mod" in got[sends]
    assert got["text"] == "error 6: quorate gate: a receipt has other fields than quorate's"
    assert got["error"].startswith("error 2: quorate gate: the app fails")
    assert "patient" not in str(got) + deployment.log("gate-1") + deployment.log("superlink")
    assert "patient" in deployment.log("supernode-1")


def test_the_server_app_is_told_of_an_app_that_is_not_listed(
    deployment: SecureDeployment, app: Path
) -> None:
    other = copied(deployment.folder, "unlisted", "2.0.0")
    told = run(deployment, other, "numbers")["numbers"]
    name = deployment.bundle(other)
    assert told.startswith(f"error 7: quorate gate: this hospital does not run app {name}")
