"""Long steps in the thread that asked for them, beside an event loop in a thread of its own.

The app's file is read in the program's main thread, and so its functions run there too: what a
library ties to one thread (a connection to SQLite, signal handlers) then works in all of them, and
no event loop is at work where an app begins one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from types import FrameType
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Raised in a step that is under way when the process is to end; no app's error."""


class Steps:
    """Runs one coroutine, and the steps that it asks for."""

    def __init__(self) -> None:
        self.caught = 0  # the signal that asked this process to end
        self._due: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._cancel: Callable[[], object] = lambda: None
        self._is_busy = self._is_over = False
        self._process = os.getpid()

    async def do(self, work: Callable[[], None]) -> None:
        """Have ``work`` done in the thread of ``run``; raises what it raises.

        Whatever must survive an end at any moment is durable before it matters.
        """
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def finish(error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def step() -> None:
            error: BaseException | None = None
            try:
                work()
            except StopIteration:  # which no future can hold
                error = RuntimeError("a step raised StopIteration")
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(finish, error)

        self._due.put(step)
        await done

    def cancel_on_signal(self, work: asyncio.Task[None]) -> None:
        """Cancel ``work``, of the running loop, once a signal asks this process to end."""
        loop = asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(work.cancel)
        if self.caught:
            work.cancel()

    def run(self, course: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine to its end, and its steps; raises what it raises.

        In the main thread, steps are done here. Signals and the coroutine's end then end a step
        that is under way as soon as it is in Python code. In another thread, where no signal is
        heard, steps have a daemon thread of their own.
        """
        if threading.current_thread() is not threading.main_thread():
            threading.Thread(target=self._take_all, name="steps", daemon=True).start()
            try:
                _run(course)
            finally:
                self._due.put(None)
            return
        ends: list[BaseException] = []
        before = {number: signal.getsignal(number) for number in _ENDING}
        beside = threading.Thread(
            target=self._beside, args=(course, ends), name="link", daemon=True
        )
        try:
            self._listen()
            beside.start()
            self._take_all(self._listen)  # an app may put handlers of its own in their place
            beside.join()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if ends:
            raise ends[0]

    def _beside(
        self, course: Callable[[], Coroutine[Any, Any, None]], ends: list[BaseException]
    ) -> None:
        try:
            _run(course)
        except BaseException as end:
            ends.append(end)
        self._is_over = True
        self._due.put(None)
        if self._is_busy:  # also a call that sleeps ends at a signal
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _take_all(self, then: Callable[[], None] = lambda: None) -> None:
        while (step := self._due.get()) is not None:
            with contextlib.suppress(Stopped):
                self._is_busy = True
                if not self._is_over:
                    step()
                self._is_busy = False
            self._is_busy = False
            then()

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


def _run(course: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """As ``asyncio.run``, whatever policy of event loops an app has put in place."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(course())
