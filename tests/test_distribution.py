"""The distribution holds every package and nothing else, and works without the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

from examples.demo import processes

ROOT = Path(__file__).parent.parent
PLACES = {
    "aggregator": ROOT, "keyshare": ROOT, "participant": ROOT, "protocol": ROOT,
    "quorate_client": ROOT / "integrations",
}  # fmt: skip
PACKAGES = tuple(PLACES)
MADE = (
    ".*_cache",
    ".git",
    ".hypothesis",
    ".venv*",
    "*.egg-info",
    "__pycache__",
    "build",
    "dist",
    "runs",
)
BUILD = (
    "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
)


def test_every_folder_of_the_packages_is_distributed_and_says_that_it_has_types() -> None:
    """A folder without ``__init__.py`` would be found by Python here and be missing elsewhere."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    find = settings["packages"]["find"]
    found = {p for where in find["where"] for p in find_packages(ROOT / where, (), find["include"])}
    folders = {
        str(path.parent.relative_to(place)).replace(os.sep, ".")
        for package, place in PLACES.items()
        for path in (place / package).rglob("*.py")
    }
    assert found == folders
    assert all((place / package / "py.typed").exists() for package, place in PLACES.items())


def run(*command: object, folder: Path) -> str:
    """What a command says that knows nothing of the repository."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def built(kind: str, source: Path, into: Path) -> Path:
    """A distribution of what lies in a folder, made by the setuptools that is installed."""
    into.mkdir()
    run(sys.executable, "-c", BUILD, f"build_{kind}", into, folder=source)
    (file,) = into.iterdir()
    return file


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, a source distribution of it, its files, and a wheel of each."""
    folder = tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*MADE))
    with tarfile.open(built("sdist", folder / "copy", folder / "sdist")) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.glob("quorate_fl-*")
    unpacked.rename(folder / "sources")
    built("wheel", folder / "sources", folder / "wheel")
    built("wheel", folder / "copy", folder / "direct")
    return folder


def names(folder: Path) -> set[str]:
    """What is in the wheel that lies in a folder."""
    (wheel,) = folder.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_a_wheel_holds_the_packages_and_the_license_alone(dist: Path) -> None:
    held = names(dist / "wheel")
    assert held == names(dist / "direct")
    ours = {name for name in held if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in ours} == {*PACKAGES}
    assert {f"{package}/py.typed" for package in PACKAGES} <= ours
    assert [name for name in held - ours if name.endswith("licenses/LICENSE")]
    assert [name for name in held - ours if name.endswith("/quorate_client/LICENSE")]


@pytest.mark.slow
def test_a_source_distribution_is_the_whole_source(dist: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("what belongs to the source is known to git alone")
    tracked = run("git", "ls-files", folder=ROOT).splitlines()
    assert not [name for name in tracked if not (dist / "sources" / name).exists()]


@pytest.mark.slow
def test_three_hospitals_make_a_key_with_the_installed_commands(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dependencies are those of this environment, made visible without the repository."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env", folder=tmp_path)
    python = tmp_path / "env/bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index")
    run(*pip, *(dist / "wheel").iterdir(), folder=tmp_path)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    installed = Path(run(python, "-c", where, folder=tmp_path).strip())
    (installed / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    for package in PACKAGES:
        where = f"import {package}; print({package}.__file__)"
        assert installed in Path(run(python, "-c", where, folder=tmp_path).strip()).parents
    for program in ("quorate-participant", "quorate-aggregator"):
        assert "Usage" in run(python.parent / program, "--help", folder=tmp_path)

    monkeypatch.setattr(processes, "BIN", python.parent)
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    settings = {"--name": "Installed", "--quorum": "2", "--key-bits": "512"}
    hospitals = processes.signed(tmp_path, 3, settings)
    terms = tmp_path / "federation.toml"
    with processes.aggregator(terms, tmp_path / "aggregator", tmp_path / "log"):
        started = [h.start("ceremony", str(terms), log=tmp_path / "log") for h in hospitals]
        with processes.ending(started):
            processes.finish(started, "the ceremony", 200)
    keys = {processes.checked(h.participant("public-key", str(terms))) for h in hospitals}
    assert len(keys) == 1
