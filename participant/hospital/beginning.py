"""Before training: the app begins beside the agent's steps, within the time that a command has."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from participant.errors import OutOfTime
from participant.home import Membership
from participant.study import (
    GivenApp,
    check_app,
    find_study,
    is_agreed,
    kept_approval,
    require_contributing,
    require_kind,
    require_member,
)
from participant.waiting import Waiting
from protocol.board import Board
from protocol.messages import study_session

T = TypeVar("T")


def begin_app(given: GivenApp, study: str, member: Membership, board: Board) -> None:
    """Have an app give the model that it begins with, where TrainingTask would; raises as that.

    In a step an app, or the program that it waits for, would hold up all that the agent does.
    """
    state, kept = find_study(board, study), kept_approval(member.storage, study)
    require_kind(state, "training")
    require_member(state, member.index)
    if not is_agreed(state.study, kept):
        require_contributing(state, member.index)
    check_app(state.study, kept, given)
    given.prepare(state.study)


class TimeLeft:
    """The time of a command that trains, of which an app may use up some before training."""

    def __init__(self, timeout: float | None, study: str, member: int) -> None:
        self._timeout, self._study, self._member = timeout, study, member
        self._began = time.monotonic()

    @property
    def seconds(self) -> float | None:
        """What is left, None without a limit."""
        if self._timeout is None:
            return None
        return max(0.1, self._began + self._timeout - time.monotonic())

    async def wait_for(self, app: Awaitable[T]) -> T:
        """What comes of waiting for the app; raises OutOfTime, where that comes first."""
        try:
            async with asyncio.timeout(self.seconds) as limit:
                return await app
        except TimeoutError:
            if not limit.expired():
                raise
            waiting = Waiting("app", (self._member,), {"session": study_session(self._study)})
            raise OutOfTime(self._timeout or 0.0, waiting) from None
