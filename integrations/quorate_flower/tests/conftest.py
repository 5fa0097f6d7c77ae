# SPDX-License-Identifier: Apache-2.0
"""What holds for every test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flwr.supercore.task_identity import TaskIdentity
from quorate_flower.gate import courier
from scripted import ScriptedAgent

# Flower makes no Message outside a task; here all are of one.
TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 7


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOCKET", "METRICS", "REVEAL", "QUERIES", "APP"):
        monkeypatch.delenv(f"QUORATE_{name}", raising=False)


@pytest.fixture(autouse=True)
def _no_pauses_of_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "LEAST", 0.0)


@pytest.fixture
def agent() -> Iterator[ScriptedAgent]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has 107 bytes
        made = ScriptedAgent(Path(folder))
        yield made
        made.close()
