"""Who is asked through the door before a sum is opened, and may take all the time they need."""

import asyncio
from collections.abc import Callable

from participant.door import Ask, Asked
from participant.rounds import Question


class Person:
    """Somebody at a command. What is not answered yet holds up no task but the one that asks."""

    def __init__(self, ask: Ask, answered: Callable[[Question, bool], None]) -> None:
        """In a loop, where ``answered`` is called once for each answer."""
        self._ask, self._answered = ask, answered
        self._loop = asyncio.get_running_loop()
        self._question: Question | None = None  # the last
        self._answer: bool | None = None  # to it

    def answers(self, question: Question) -> bool | None:
        """Whether they agree, None if they have not said so; asks what was not asked. In a step."""
        if question != self._question:
            self._question, self._answer = question, None
            self._loop.call_soon_threadsafe(self._put, question)
        return self._answer

    def _put(self, question: Question) -> None:
        asked = Asked(*(getattr(question, name) for name in Asked.__struct_fields__))

        def take(answer: asyncio.Future[bool]) -> None:
            if not answer.cancelled() and question == self._question:
                self._answer = answer.result()
                self._answered(question, answer.result())

        self._ask(asked).add_done_callback(take)
