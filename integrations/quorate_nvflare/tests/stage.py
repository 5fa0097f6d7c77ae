# SPDX-License-Identifier: Apache-2.0
"""Real agents of hospitals and an aggregator, in quorate's environment; their sockets are here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("QUORATE_ROOT", Path(__file__).parents[3]))


class Stage:
    """``with Stage(3, rounds=2) as stage``: hospitals that have approved a study of that plan."""

    def __init__(self, hospitals: int, **plan: Any) -> None:
        command = [str(ROOT / ".venv/bin/python"), "-m", "tests.stage.adapters"]
        said = ["--hospitals", str(hospitals), "--plan", json.dumps(plan)]
        self._process = subprocess.Popen(
            [*command, *said],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'integrations'}"},
        )  # fmt: skip
        self.sockets: list[str] = []

    def __enter__(self) -> Stage:
        self.sockets = self._answer()["sockets"]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def does(self, what: str, **facts: Any) -> dict[str, Any]:
        """A command of the stage (tests/stage/adapters)."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **facts}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the stage has ended"
        found: dict[str, Any] = json.loads(line)
        return found
