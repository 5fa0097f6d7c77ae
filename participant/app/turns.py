"""The calls of an app, one after the other: here, or beside where it is a process of its own.

An object's functions are called where the call is begun, in the thread of all steps. What a process
is asked, a thread of its own waits for, so that the agent goes on with its other tasks meanwhile.
"""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from participant.app.elsewhere import AppElsewhere, Stood

T = TypeVar("T")
Wake = Callable[[], None]
Due = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class Turns:
    """Does each call when it is begun."""

    def begin(self, call: Callable[[], T]) -> "Future[T]":
        """What the call will have answered, or raised."""
        found: Future[T] = Future()
        _do(found, call)
        return found

    def give_up(self, begun: "Future[T]") -> None:
        """Wait no longer for a call; here each is over at once."""

    @property
    def is_asked(self) -> bool:
        """Whether the app wants to train from the model that this hospital stands at."""
        return True

    def stand(self, stood: Stood, give: Callable[[], Any]) -> None:
        """Tell the app where this hospital stands, if it wants to know."""

    def sums_before(self, found: dict[int, bool]) -> None:
        """Tell it in which of the last rounds' sums this hospital's update is."""

    def hear(self, number: int, event: str, facts: dict[str, Any]) -> None:
        """Tell it what happens in a round."""


class TurnsBeside(Turns):
    """Does the calls of one app in a thread of its own, which ends with this object."""

    def __init__(self, app: AppElsewhere, wake: Wake) -> None:
        """``wake``: called after each call, in that thread."""
        self._app, self._wake = app, wake
        self._due: Due = SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, call: Callable[[], T]) -> "Future[T]":
        """What the call will have answered, or raised; it waits for those before it."""
        found: Future[T] = Future()
        self._due.put((found, call))
        if self._thread is None:
            about = self._due, self._app.revive, self._wake
            self._thread = threading.Thread(target=_take_all, args=about, name="app", daemon=True)
            self._thread.start()
            weakref.finalize(self, self._due.put, None)
        return found

    def give_up(self, begun: "Future[T]") -> None:
        """Wait no longer for a call: its process is ended, and a new one is begun at once."""
        if not begun.cancel() and not begun.done():
            self._app.give_up()
            self.begin(lambda: None)

    @property
    def is_asked(self) -> bool:
        return self._app.is_asked

    def stand(self, stood: Stood, give: Callable[[], Any]) -> None:
        self._app.stand(stood, give)

    def sums_before(self, found: dict[int, bool]) -> None:
        self._app.sums_before(found)

    def hear(self, number: int, event: str, facts: dict[str, Any]) -> None:
        self._app.hear(number, event, facts)


def _take_all(due: Due, revive: Callable[[], None], wake: Wake) -> None:
    while (turn := due.get()) is not None:
        found, call = turn
        if not found.cancelled():
            # Before the call is under way: who gives that up means no earlier one.
            failed = _failed(revive)
            _do(found, partial(_raise, failed) if failed else call)
        del turn, found, call  # and with them a model
        wake()


def _failed(revive: Callable[[], None]) -> BaseException | None:
    try:
        revive()
    except BaseException as error:
        return error
    return None


def _raise(error: BaseException) -> None:
    raise error


def _do(found: "Future[T]", call: Callable[[], T]) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        answer = call()
    except BaseException as error:
        found.set_exception(error)
    else:
        found.set_result(answer)
