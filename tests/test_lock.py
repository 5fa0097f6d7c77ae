"""The lock pins what is asked for, and is written from pip's report alone."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


LOCKS = {"flower": "integrations/quorate_flower/constraints.txt"}  # of extras; else our own


def pins(lock: str) -> dict[str, str]:
    lines = (ROOT / lock).read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def asked_for() -> Iterator[tuple[str, str]]:
    """Each lock, and what it has to fit."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    for text in settings["build-system"]["requires"] + project["dependencies"]:
        yield "constraints.txt", text
    for extra, texts in project["optional-dependencies"].items():
        for text in texts:
            yield LOCKS.get(extra, "constraints.txt"), text
    for text in project["dependencies"]:  # Flower is installed beside quorate
        yield LOCKS["flower"], text


def test_each_lock_has_a_fitting_version_of_all_that_is_asked_for() -> None:
    """Else an installation takes what is newest on its day: ``make lock`` mends it."""
    for lock, text in asked_for():
        wanted = Requirement(text)
        assert pins(lock)[canonicalize_name(wanted.name)] in wanted.specifier, (lock, text)


def test_a_lock_holds_what_pip_would_install_and_keeps_its_comments(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("# why not 3\nb==2\nc==1\n")
    names = {"quorate-fl": "0.1.0", "nvidia-nccl": "9", "c": "2+cpu", "b": "2", "A": "1"}
    found = [{"metadata": {"name": name, "version": names[name]}} for name in names]
    command = [sys.executable, str(ROOT / ".ci/lock.py"), str(lock)]
    subprocess.run(command, input=json.dumps({"install": found}), text=True, check=True)
    assert lock.read_text() == "A==1\n# why not 3\nb==2\nc==2\n"
