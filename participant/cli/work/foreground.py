"""A command's course: its event loop in a thread beside, its steps here, ended by signals.

Steps are done in the program's main thread, where signals are heard: one that waits for an app's
process, or computes, ends at once.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import Empty
from types import FrameType
from typing import Any, TypeVar

from participant.agent import Steps, Stopped

T = TypeVar("T")
Course = Callable[[], Coroutine[Any, Any, T]]
_ENDING = (signal.SIGINT, signal.SIGTERM)
_LOOK_SECONDS = 0.5


class Foreground(Steps):
    """Runs one coroutine, and takes the steps that it asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.caught = 0  # the signal that asked this process to end
        self._cancel: Callable[[], object] = lambda: None
        self._is_busy = self._is_over = False
        self._process = os.getpid()

    def run(self, course: Course[T]) -> T:
        """Run a coroutine to its end, and its steps; what it returns or raises.

        In the main thread, steps are done here. Signals cancel the coroutine, and they and its end
        also end a step that is under way, as soon as it is in Python code. In another thread,
        where no signal is heard, steps have a daemon thread of their own.
        """
        if threading.current_thread() is not threading.main_thread():
            return _run(course)
        self._thread = threading.current_thread()
        self._is_over = False  # of what ran before
        end: Future[T] = Future()
        before = {number: signal.getsignal(number) for number in _ENDING}
        beside = threading.Thread(target=self._beside, args=(course, end), name="link", daemon=True)
        try:
            self._listen()
            beside.start()
            self._take_all()
            beside.join()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return end.result()

    def _beside(self, course: Course[T], end: Future[T]) -> None:
        try:
            end.set_result(_run(lambda: self._cancellable(course)))
        except BaseException as error:
            end.set_exception(error)
        self._is_over = True
        self._due.put(None)
        if self._is_busy:  # also a call that sleeps ends at a signal
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    async def _cancellable(self, course: Course[T]) -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.caught:
            task.cancel()
        return await course()

    def _take_all(self) -> None:
        while (step := self._next()) is not None:
            with contextlib.suppress(Stopped):
                self._is_busy = True
                step()
                self._is_busy = False
            self._is_busy = False
            self._listen()  # an app may put handlers of its own in their place

    def _next(self) -> Callable[[], None] | None:
        """The next step, None for no more.

        The system may give a signal to another thread, which does not wake this one, where it is
        heard. So this one wakes by itself, too.
        """
        while True:
            with contextlib.suppress(Empty):
                return self._due.get(timeout=_LOOK_SECONDS)

    def _listen(self) -> None:
        for number in _ENDING:
            if signal.getsignal(number) != self._hear:
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a worker that was forked in a step ends as any other
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if not self._is_over:
            self.caught = self.caught or number
            with contextlib.suppress(RuntimeError):
                self._cancel()
        if self._is_busy:
            raise Stopped


def _run(course: Course[T]) -> T:
    """As ``asyncio.run``, whatever policy of event loops an app has put in place."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(course())
