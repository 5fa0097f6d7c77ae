"""The lock pins what is asked for, and is written from pip's report alone."""

import itertools
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def test_the_lock_has_a_fitting_version_of_all_that_is_asked_for() -> None:
    """Else an installation takes what is newest on its day: ``make lock`` mends it."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, version in pairs}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    lists = (settings["build-system"]["requires"], project["dependencies"])
    for text in itertools.chain(*lists, *project["optional-dependencies"].values()):
        wanted = Requirement(text)
        assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, text


def test_a_lock_holds_what_pip_would_install_and_keeps_its_comments(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("# why not 3\nb==2\nc==1\n")
    names = {"quorate-fl": "0.1.0", "nvidia-nccl": "9", "c": "2+cpu", "b": "2", "A": "1"}
    found = [{"metadata": {"name": name, "version": names[name]}} for name in names]
    command = [sys.executable, str(ROOT / ".ci/lock.py"), str(lock)]
    subprocess.run(command, input=json.dumps({"install": found}), text=True, check=True)
    assert lock.read_text() == "A==1\n# why not 3\nb==2\nc==2\n"
