"""Peers have environments of their own under build/peers, from the package index at first use."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.demo.processes import ROOT, DemoFailed

_FOLDER = ROOT / "build" / "peers"


def environment(name: str, requirements: Sequence[str], interpreter: str = sys.executable) -> Path:
    """The interpreter that has a peer's packages; installed unless they are there.

    interpreter: what the environment is made with. Raises DemoFailed.
    """
    folder = _FOLDER / name
    python, installed = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing {requirements[0]} into {folder.relative_to(ROOT)}", flush=True)
        _run([interpreter, "-m", "venv", "--clear", str(folder)], f"{folder} cannot be made")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *requirements], f"pip could not install {requirements[0]}")
        installed.write_text(wanted)
    return python


def _run(command: Sequence[str], otherwise: str) -> None:
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise DemoFailed(otherwise)
