# SPDX-License-Identifier: Apache-2.0
"""A federation with a toy key in one process of quorate's environment: agents, aggregator, sockets.

It is up in seconds, and the tests of both adapters begin it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]  # it is imported by a path with .. in it


class Staged:
    """``with Staged(4, rounds=2) as staged``: hospitals that have approved a study of that plan.

    Three of them at least are in each sum. sockets: of that study.
    """

    def __init__(self, hospitals: int, study: str = "cardio", **plan: Any) -> None:
        """plan: ``rounds``, ``seconds``, ``clip``, ``bits``, ``max_examples``, ``suite``."""
        said = ["--hospitals", str(hospitals), "--study", study, "--plan", json.dumps(plan)]
        self._process = subprocess.Popen(
            [str(ROOT / ".venv/bin/python"), "-m", "tests.stage.adapters", *said],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'integrations'}"},
        )  # fmt: skip
        self.sockets: list[Path] = []

    def __enter__(self) -> Staged:
        self.sockets = self._sockets()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def does(self, what: str, **facts: Any) -> dict[str, Any]:
        """A command of tests/stage/adapters, and its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **facts}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def study(self, name: str, **plan: Any) -> list[Path]:
        """Another study, approved by all; its sockets."""
        return [Path(path) for path in self.does("study", name=name, plan=plan)["sockets"]]

    def _sockets(self) -> list[Path]:
        return [Path(path) for path in self._answer()["sockets"]]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the federation has ended"
        found: dict[str, Any] = json.loads(line)
        return found
