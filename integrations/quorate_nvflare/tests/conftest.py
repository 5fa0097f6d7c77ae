# SPDX-License-Identifier: Apache-2.0
"""What holds for every test."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext, FLContextManager
from scripted import ScriptedAgent

from tests.stage.server import Server

Task = Callable[..., FLContext]


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOCKET", "METRICS", "APP"):
        monkeypatch.delenv(f"QUORATE_{name}", raising=False)


@pytest.fixture
def agent() -> Iterator[ScriptedAgent]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has 107 bytes
        made = ScriptedAgent(Path(folder))
        yield made
        made.close()


@pytest.fixture
def task(agent: ScriptedAgent) -> Task:
    """A task's context at a site whose privacy.json names the agent, and metrics if it is said."""

    def made(name: str = "train", site: str = "site-1", **properties: Any) -> FLContext:
        found = {"quorate-socket": str(agent.path), **properties}
        kept = {name.replace("_", "-"): value for name, value in found.items()}
        private = {FLContextKey.SCOPE_PROPERTIES: kept}
        context = FLContextManager(Server(), site, "job-7", {}, private).new_context()
        context.set_prop(FLContextKey.TASK_NAME, name, private=True, sticky=False)
        return context

    return made
