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

from participant.app.apart import AppApart

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


class TurnsBeside(Turns):
    """Does the calls of one app in a thread of its own, which ends with this object."""

    def __init__(self, app: AppApart, wake: Wake) -> None:
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
        """Wait no longer for a call: its process is ended, and a new one is begun at once.

        A program that connects to it, and has finished its late fit, looks for it from now on.
        """
        if not begun.cancel() and not begun.done():
            self._app.give_up()
            self.begin(lambda: None)


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
