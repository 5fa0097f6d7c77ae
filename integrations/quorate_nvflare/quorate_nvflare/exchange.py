# SPDX-License-Identifier: Apache-2.0
"""The conversation of one task with the hospital's agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import quorate_client
from quorate_client import AgentError, Answer, Visits
from quorate_nvflare.errors import AgentRefused, NoAgent
from quorate_nvflare.meeting import Study
from quorate_nvflare.settings import Settings

PATIENCE = 60.0  # seconds that an agent may be gone, while it is started anew
Params = Mapping[str, Any]


class Exchange:
    """Each question raises NoAgent or AgentRefused."""

    def __init__(self, settings: Settings, job: str) -> None:
        """job: NVFlare's id of it. A study is trained for one job."""
        run = f"nvflare/{job}"
        self._visits = Visits(settings.socket, run, settings.app, patience=PATIENCE)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self._visits.close()

    def study(self) -> Study:
        """What the agent trains."""
        return Study.of(self._asked(self._visits.hello))

    def begin(self, initial: Params) -> Answer:
        """The model to train from, once a round is open. initial: the server's, if it sent one."""
        return self._asked(lambda: self._visits.begin(dict(initial) or None))

    def update(self, number: int, trained: Params, examples: int) -> Answer:
        """What the round came to."""
        return self._asked(lambda: self._visits.update(number, dict(trained), examples))

    def model(self) -> Answer:
        """The model that the hospital stands at."""
        return self._asked(self._visits.model)

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            answer = question()
        except quorate_client.NoAgent as error:
            raise NoAgent(str(error)) from None
        except AgentError as error:
            raise AgentRefused(error.rule, f"the hospital's agent refuses: {error}") from None
        except (TypeError, ValueError) as error:  # an entry that cannot be sent
            text = f"the model cannot be given to the hospital's agent: {error}"
            raise AgentRefused("model", text) from None
        if answer.kind == "end":
            text = (
                "the study has had all its rounds at this hospital: the job has more than the plan"
            )
            raise AgentRefused("end", text)
        return answer
