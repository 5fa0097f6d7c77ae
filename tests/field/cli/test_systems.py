"""Systems without what the programs need end with a sentence that names those that have it."""

import sys
import tomllib
from pathlib import Path

import pytest

from protocol.programs.systems import SUPPORTED, end_where_unsupported

ROOT = Path(__file__).parents[3]
PROGRAMS = {"quorate-participant": "participant", "quorate-aggregator": "aggregator"}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("module", ["fcntl", "resource"])
def test_a_system_that_lacks_a_module_is_told_which_systems_have_it(
    program: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as on Windows: importing it fails
    with pytest.raises(SystemExit) as ended:
        end_where_unsupported(program)
    said = str(ended.value.code)
    assert said.startswith(f"{program}: this system ({sys.platform}) is not supported")
    assert f"no {module}" in said
    assert "Linux and macOS" in said


def test_a_system_that_has_all_goes_on() -> None:
    end_where_unsupported("quorate-participant")


@pytest.mark.parametrize("package", PROGRAMS.values())
def test_the_programs_ask_before_they_import_anything_else(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is imported until then needs these systems."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"{package}.__main__:main" in project["scripts"].values()
    for name in [m for m in sys.modules if m.split(".")[0] in (*PROGRAMS.values(), "protocol")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    program = __import__(f"{package}.__main__", fromlist=["main"])
    with pytest.raises(SystemExit, match="is not supported"):
        program.main()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", ["protocol.programs.systems", "{package}.cli", "numpy"])
def test_a_program_that_lacks_a_module_says_which(
    program: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another of that name, on PYTHONPATH, or not be installed."""
    package = PROGRAMS[program]
    ours = (*PROGRAMS.values(), "protocol", "keyshare")
    main = __import__(f"{package}.__main__", fromlist=["main"]).main
    for module in [m for m in sys.modules if m.split(".")[0] in ours]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, lacking := name.format(package=package), None)
    with pytest.raises(SystemExit) as ended:
        main()
    said = str(ended.value.code)
    assert said.startswith(f"{program}: it cannot start")
    assert lacking.rpartition(".")[2] in said
    assert "environment of its own" in said


def test_readme_and_package_name_the_systems() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    systems = [c for c in project["classifiers"] if c.startswith("Operating System")]
    assert len(systems) == 2
    assert SUPPORTED.replace(" and ", " or ") in (ROOT / "README.md").read_text()
