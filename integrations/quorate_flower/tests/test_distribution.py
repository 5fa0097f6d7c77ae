# SPDX-License-Identifier: Apache-2.0
"""What is distributed is all of it, under one licence, and reaches for nothing of quorate."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENT = ROOT.parent / "quorate_client"
OF_QUORATE = {"aggregator", "keyshare", "participant", "protocol"}  # under the GPL
SOURCES = [*ROOT.rglob("*.py"), *CLIENT.rglob("*.py")]


def imported(path: Path) -> set[str]:
    """The top packages that a file imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_nothing_under_the_gpl_is_imported() -> None:
    assert len(SOURCES) > 20
    assert not {path for path in SOURCES if imported(path) & OF_QUORATE}


def test_every_package_is_distributed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "quorate_flower").rglob("*.py")}
    assert set(settings["packages"]) == {".".join(folder.parts) for folder in folders}


def test_versions_are_those_that_are_checked_and_both_ask_for_one_client() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    client = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    assert "flwr>=1.40,<2" in project["dependencies"]
    assert f"quorate-client=={client['version']}" in project["dependencies"]
    assert project["license"] == client["license"] == "Apache-2.0"
