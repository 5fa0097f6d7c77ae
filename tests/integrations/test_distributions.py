"""What is distributed for a framework is all of it, under one licence, and reaches for no GPL."""

import ast
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.test_distribution import built, names

ROOT = Path(__file__).parents[2] / "integrations"
OURS = {"quorate_flower": "flwr>=1.40,<2", "quorate_nvflare": "nvflare>=2.9,<3"}
ALL = (*OURS, "quorate_client")
OF_QUORATE = {"aggregator", "keyshare", "participant", "protocol"}  # under the GPL
SOURCES = [path for name in (*ALL, "stage") for path in (ROOT / name).rglob("*.py")]


def settings(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name / "pyproject.toml").read_text())


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
    assert len(SOURCES) > 50
    assert not {path for path in SOURCES if imported(path) & OF_QUORATE}


def modules(name: str) -> set[str]:
    """The modules of a distribution, as its wheel names them. The client is its own folder."""
    home = ROOT / name if name in OURS else ROOT
    return {str(path.relative_to(home)) for path in (home / name).rglob("*.py")}


@pytest.mark.parametrize("name", ALL)
def test_every_folder_of_modules_is_distributed(name: str) -> None:
    packages = settings(name)["tool"]["setuptools"]["packages"]
    assert set(packages) == {str(Path(path).parent).replace("/", ".") for path in modules(name)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_wheel_holds_the_modules_the_types_and_the_licence_alone(
    name: str, tmp_path: Path
) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".*_cache")
    shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    built("wheel", tmp_path / name, tmp_path / "wheel")
    held = names(tmp_path / "wheel")
    ours = {path for path in held if ".dist-info/" not in path}
    assert ours == modules(name) | {f"{name}/py.typed"}
    assert [path for path in held - ours if path.endswith("licenses/LICENSE")]


@pytest.mark.parametrize(("name", "framework"), OURS.items())
def test_versions_are_those_that_are_checked_and_all_ask_for_one_client(
    name: str, framework: str
) -> None:
    project, client = settings(name)["project"], settings("quorate_client")["project"]
    assert framework in project["dependencies"]
    assert f"quorate-client=={client['version']}" in project["dependencies"]
    assert project["license"] == client["license"] == "Apache-2.0"
