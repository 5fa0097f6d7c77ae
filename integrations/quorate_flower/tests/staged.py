# SPDX-License-Identifier: Apache-2.0
"""A federation with a toy key in one process of quorate's environment: agents, aggregator, sockets.

It is up in seconds. Of ``tests.federation`` every process is one of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.federation import BIN, ROOT


class Staged:
    """Four hospitals, three of whom at least are in each sum; ``sockets``: of the first study."""

    def __init__(self, study: str, **plan: Any) -> None:
        """plan: ``rounds``, ``seconds``, ``clip``, ``bits``, ``max_examples``, ``suite``."""
        options = ["--hospitals", "4", "--study", study, "--plan", json.dumps(plan)]
        self._process = subprocess.Popen(
            [str(BIN / "python"), "-m", "tests.stage.adapters", *options],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.sockets = self._sockets()

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def study(self, name: str, **plan: Any) -> list[Path]:
        """Another study, approved by all; its sockets."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": "study", "name": name, "plan": plan}) + "\n")
        self._process.stdin.flush()
        return self._sockets()

    def _sockets(self) -> list[Path]:
        assert self._process.stdout is not None
        return [Path(path) for path in json.loads(self._process.stdout.readline())["sockets"]]
