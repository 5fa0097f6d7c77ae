"""Long steps, one after the other, in a thread beside the event loop that asks for them.

All of an app's functions are called in one thread, so that what a library ties to a thread (a
connection to SQLite, say) works in all of them, and no event loop is at work where an app begins
one.
"""

import asyncio
import contextlib
import signal
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

from participant.errors import BadApp, Interrupted

T = TypeVar("T")
Due = SimpleQueue[Callable[[], None] | None]


class Stopped(BaseException):
    """Raised in a step that is under way when the process is to end; no app's error."""


class Steps:
    """Does what it is given in a daemon thread, which ends when this object is gone."""

    def __init__(self) -> None:
        self._due: Due = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises. A step that was not begun is left out if cancelled.

        One that was begun goes on, and later steps wait for it: whatever must survive an end at
        any moment is durable before it matters.
        """
        return await self.begin(work)

    def begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """As ``do``, for a step that is done whether or not anybody waits for it."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def finish(value: T | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(value)  # type: ignore[arg-type]  # of T, where there is no error
            else:
                done.set_exception(error)

        def step() -> None:
            if done.cancelled():
                return
            value, error = None, None
            try:
                value = work()
            except BaseException as raised:
                error = _plain(raised)
            with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(finish, value, error)

        self._due.put(step)
        self._attend()
        return done

    def _attend(self) -> None:
        """See to it that there is somebody who takes the steps."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=_take_all, args=(self._due,), name="steps", daemon=True
                )
                self._thread.start()
                weakref.finalize(self, self._due.put, None)


def _take_all(due: Due) -> None:
    while (step := due.get()) is not None:
        step()
        del step  # and with it all that it is about


def _plain(raised: BaseException) -> BaseException:
    """What a step raised as an error that ends no event loop, whoever raised it.

    Nothing of ours raises what is no Exception, but code of the user's that is called unawares,
    as a value is read, may.
    """
    if isinstance(raised, StopIteration):  # which no future can hold
        return RuntimeError("a step raised StopIteration")
    if isinstance(raised, KeyboardInterrupt):
        return Interrupted(signal.SIGINT)
    if isinstance(raised, Exception | Stopped):
        return raised
    return BadApp("what it returned", f"{type(raised).__name__} was raised while it was read")
