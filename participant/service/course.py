"""A task at work in a service: who waits for it, and what it waits for."""

import asyncio
import re
from dataclasses import dataclass
from typing import NamedTuple

from participant.agent import Task
from participant.training import TrainingTask
from participant.waiting import Waiting
from protocol.terms import AGGREGATOR

BOARD = Waiting("board", (AGGREGATOR,))


@dataclass(eq=False)
class Course:
    """A task at work, who waits for it, and what it waits for.

    due_in: the session in which it is due by itself, and due_since: the entry of the board by
    which it is.
    """

    task: Task
    due_in: str
    due_since: int
    end: asyncio.Future[None]
    watchers: int = 0
    waiting: Waiting = BOARD

    @property
    def session(self) -> str:
        """Its session, as far as it is known."""
        return self.task.session or self.due_in

    @property
    def trains(self) -> str:
        """The study that it trains; empty if it does not."""
        return self.task.name if isinstance(self.task, TrainingTask) else ""


class TaskAt(NamedTuple):
    """A task, by name and session, and what it waits for."""

    name: str
    session: str
    waiting: Waiting


def name_of(task: Task) -> str:
    """A task in one or two words."""
    words = re.findall("[A-Z][a-z]*", type(task).__name__.removesuffix("Task"))
    return " ".join(words).lower() or "task"
