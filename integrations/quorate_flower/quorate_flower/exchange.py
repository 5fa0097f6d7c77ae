# SPDX-License-Identifier: Apache-2.0
"""The conversation of one message with the hospital's agent."""

from __future__ import annotations

import logging
from collections.abc import Callable

import quorate_client
from quorate_client import AgentError, Answer, Visits
from quorate_flower.errors import AgentRefused, NoAgent
from quorate_flower.records import Arrays, InOrder
from quorate_flower.settings import Settings

LOGGER = logging.getLogger("flwr")  # whose lines are in the SuperNode's log
PATIENCE = 60.0  # seconds that an agent may be gone, while it is started anew


class Exchange:
    """Each question raises NoAgent or AgentRefused, whose texts may go to the server."""

    def __init__(self, settings: Settings, run: int, patience: float | None = None) -> None:
        """run: Flower's. A study is trained for one run. patience: seconds, if not the usual."""
        self._visits = Visits(
            settings.socket,
            f"flower/{run}",
            settings.app,
            patience=PATIENCE if patience is None else patience,
            form=InOrder(),
            waits_if_busy=False,  # a second SuperNode: it would wait for the round after
            told=lambda why: LOGGER.warning("quorate: %s", why),
        )

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self._visits.close()

    def hello(self) -> Answer:
        """Which study the agent trains."""
        return self._asked(self._visits.hello)

    def begin(self, initial: Arrays, turn: str = "") -> Answer:
        """The model to train from, once a round is open. initial: the server's, if it sent one.

        turn: of QuorateFedAvg, in which a hospital trains once.
        """
        return self._asked(lambda: self._visits.begin(initial or None, turn))

    def update(self, number: int, trained: Arrays, examples: int) -> Answer:
        """What the round came to."""
        return self._asked(lambda: self._visits.update(number, trained, examples))

    def model(self) -> Answer:
        """The model that the hospital stands at."""
        return self._asked(self._visits.model)

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            answer = question()
        except quorate_client.NoAgent as error:
            raise NoAgent("no agent listens at this hospital's socket", str(error)) from None
        except AgentError as error:
            text = f"this hospital's agent refused, by its rule {error.rule!r}"
            raise AgentRefused(error.rule, text, str(error)) from None
        except (TypeError, ValueError) as error:  # an array that cannot be sent
            raise AgentRefused(
                "model", "the model cannot be given to the agent", str(error)
            ) from None
        if answer.kind == "end":
            text = "the study has ended at this hospital, or has had all its rounds"
            raise AgentRefused("end", text)
        return answer
