# SPDX-License-Identifier: Apache-2.0
"""A conversation over as many connections as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quorate_client.agent import LOGGER, Agent, Told, awaited
from quorate_client.answer import Answer
from quorate_client.errors import AgentError, Closed
from quorate_client.form import Form, Plain


class Visits:
    """The conversation at an agent's socket, over as many connections as it takes.

    For a framework that begins a process for each message, or whose agent may be started anew: each
    question is asked again where the connection was lost before the answer. One question at a time.
    """

    def __init__(
        self,
        path: str,
        run: str = "",
        app: str = "",
        local_entries: Sequence[str] = (),
        patience: float = 60.0,
        form: Form | None = None,
        waits_if_busy: bool = True,
        told: Told = LOGGER.warning,
    ) -> None:
        """run, app, local_entries: as in ``hello``. patience: seconds that the agent may be gone.

        So long it may be busy with another program, too, unless that is to be an error. While it is
        there, a question takes as long as it takes. told: as of ``Agent``.
        """
        self._path, self._patience, self._form = path, patience, form or Plain()
        self._told = told
        self._hello = tuple(local_entries), run, app
        self._passing = {"token", "busy"} if waits_if_busy else {"token"}
        self._agent: Agent | None = None
        self._said = Answer("hello")

    def __enter__(self) -> Visits:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation; the agent and its study go on."""
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.close()

    def hello(self) -> Answer:
        """What the agent says of itself: ``facts`` has its ``federation``, ``study``, ``identity``.

        Raises NoAgent and AgentError.
        """
        return self._asked(lambda _: self._said)

    def begin(self, initial: Any = None, turn: str = "") -> Answer:
        """``train`` when a round is open, or ``end``. A round that was begun is begun again.

        initial: the model before the first round; needed until a hospital has one. turn: as in
        ``Agent.begin``. Raises NoAgent and AgentError.
        """
        return self._asked(lambda agent: agent.begin(initial, turn=turn))

    def update(
        self, number: int, trained: Any, examples: int, metrics: Mapping[str, Any] | None = None
    ) -> Answer:
        """``applied``, ``late`` or ``void``, when the round has ended; or ``end``."""
        return self._asked(lambda agent: agent.update(number, trained, examples, metrics))

    def model(self) -> Answer:
        """The model that the hospital stands at now, with its receipt."""
        return self._asked(lambda agent: agent.model())

    def _asked(self, question: Callable[[Agent], Answer]) -> Answer:
        end = time.monotonic() + self._patience
        while True:
            try:
                if self._agent is None:
                    self._agent = awaited(self._path, end)
                    self._agent.form, self._agent.told = self._form, self._told
                    self._said = self._agent.hello(*self._hello)
                asked = time.monotonic()
                try:
                    return question(self._agent)
                finally:
                    end += time.monotonic() - asked  # the agent was there
            except AgentError as error:
                self.close()
                is_passing = isinstance(error, Closed) or error.rule in self._passing
                if not is_passing or time.monotonic() > end:
                    raise
                time.sleep(0.1)
