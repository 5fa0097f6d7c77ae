# SPDX-License-Identifier: Apache-2.0
"""An app of three functions takes part in rounds."""

from __future__ import annotations

import time
from typing import Any, Protocol

from quorate_client.agent import Agent, awaited
from quorate_client.errors import Closed


class App(Protocol):
    """The functions of an app."""

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        """The model before the first round."""

    def fit(self, parameters: Any, config: dict[str, Any]) -> tuple[Any, int, dict[str, Any]]:
        """Parameters, number of examples, metrics."""

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> tuple[float, int, Any]:
        """Loss, number of examples, metrics."""


def run(app: App, agent: Agent | None = None) -> None:
    """Take part in rounds until the agent says that there are no more; all in this thread.

    Raises what the app raises, Closed when the agent goes, AgentError when it refuses.
    """
    agent = agent or Agent.of_environment()
    said = agent.hello(getattr(app, "local_entries", ()))
    if said.kind == "end":
        return
    answer = agent.begin(app.initial_parameters(dict(said.config)))
    while answer.kind != "end":
        config = dict(answer.config)
        if answer.kind == "train":
            trained, examples, metrics = app.fit(answer.parameters, config)
            answer = agent.update(answer.round, trained, examples, metrics)
        elif answer.kind in ("evaluate", "applied"):
            loss, examples, metrics = app.evaluate(answer.parameters, config)
            found = {"loss": float(loss), "examples": examples, "metrics": metrics}
            answer = agent.begin(evaluation=found)
        else:  # the round gave no model, or not with this update
            answer = agent.begin()


def run_at(path: str, app: App, patience: float = 60.0) -> None:
    """As ``run``, at an agent's socket, and again where the agent has given up a late ``fit``.

    patience: seconds that an agent may be gone, while it is started anew. Raises NoAgent where it
    does not come in time, and what ``run`` raises but Closed.
    """
    while True:
        with awaited(path, time.monotonic() + patience) as agent:
            try:
                return run(app, agent)
            except Closed:
                pass
