"""Training in a service: what apps run in, who is told of it, and that no app outlives its task."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from participant.agent import Task
from participant.home import Membership
from participant.network import Traffic
from participant.program import Words
from participant.study import GivenApp, Surroundings
from participant.training import Event, Journal, TrainingTask
from protocol.key import HeldKeys


class Listener(NamedTuple):
    """Who follows the training of one study; called in the event loop."""

    event: Callable[[Event], None]
    printed: Callable[[str, bool], None]


@dataclass(frozen=True)
class Apps:
    """What the apps of all studies are given that run without anybody who typed ``train``.

    variables: of the environment. user: of the machine, as whom they run; None for this one.
    """

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None


T = TypeVar("T")
NO_APPS = Apps()
_MOST_OVER = 4  # studies that are over, and about which programs at a socket may ask
_MOST_THREADS = 4_096  # one for each app that is waited for; more than there are studies


class TrainingChronicle(Protocol):
    """Who is told of training; in the event loop."""

    def event(self, event: Event) -> None: ...
    def printed(self, study: str, line: str, is_error: bool) -> None: ...


class Trainings:
    """Makes training tasks in an event loop, and ends their apps' processes."""

    def __init__(
        self,
        member: Membership,
        traffic: Traffic,
        chronicle: TrainingChronicle,
        wake: Callable[[], None],
        words: Words,
    ) -> None:
        """``wake``: lets the agent look at its tasks; in the loop. ``words``: of errors."""
        self._member, self._traffic, self._words = member, traffic, words
        self._chronicle, self._wake = chronicle, wake
        self._loop = asyncio.get_running_loop()
        # Not those of the loop, which are few: apps that hang would leave none to end them with.
        # None of them ends by itself, since with the thread that began it the app's process ends.
        self._threads = ThreadPoolExecutor(_MOST_THREADS, "app")
        self._closing = set[asyncio.Task[None]]()
        self._over = dict[Path, TrainingTask]()  # whose sockets are open still, in order
        self._lock = threading.Lock()  # of what is over
        self._listeners = dict[str, list[Listener]]()  # by study

    @contextlib.contextmanager
    def followed(self, study: str, listener: Listener) -> Iterator[None]:
        """Tell of a study while the block runs."""
        self._listeners.setdefault(study, []).append(listener)
        try:
            yield
        finally:
            self._listeners[study].remove(listener)

    def around(self, study: str, apps: Apps) -> Surroundings:
        """What an app runs in here: its lines are told, and its answers wake the agent."""

        def tell(line: str, is_error: bool) -> None:
            self._chronicle.printed(study, line, is_error)
            for listener in self._listeners.get(study, ()):
                listener.printed(line, is_error)

        def show(line: str, is_error: bool) -> None:
            self._soon(tell, line, is_error)

        return Surroundings(
            self._member.folder / "errors",
            apps.variables,
            apps.user,
            show,
            lambda: self._soon(self._wake),
            self._member.storage,
            self._words,
            self._free,
        )

    def task(self, study: str, keys: HeldKeys, app: GivenApp) -> TrainingTask:
        """One that keeps the study's journal, and tells of it."""
        member = self._member

        def tell(event: Event) -> None:
            self._chronicle.event(event)
            for listener in self._listeners.get(study, ()):
                listener.event(event)

        path = member.folder / "studies" / study / "rounds.jsonl"
        journal = Journal(path, study, self._traffic, lambda event: self._soon(tell, event))
        place = member.terms, study, keys, app, member.storage, member.model_secret
        return TrainingTask(*place, journal.record)

    def in_thread(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        """Do what waits for an app, or for its end, and holds up nothing meanwhile."""
        return self._loop.run_in_executor(self._threads, call)

    def finish(self, task: Task, error: Exception | None) -> None:
        """Training is over. Programs at a socket may still ask what came of it; not all for ever.

        error: what has ended it before its last round.
        """
        path = task.finish(error) if isinstance(task, TrainingTask) else None
        if path is None:
            self.let_go(task, None, error)
            return
        assert isinstance(task, TrainingTask)
        with self._lock:
            self._over[path] = task
            left = [self._over.pop(p) for p in list(self._over)[:-_MOST_OVER]]
        for one in left:
            self.let_go(one, None)

    def _free(self, path: Path) -> None:
        """Before a socket is listened at: a study that is over leaves it. In an app's thread."""
        with self._lock:
            over = self._over.pop(path, None)
        if over is not None:
            over.close()

    def let_go(
        self, task: Task, after: Awaitable[object] | None, error: Exception | None = None
    ) -> None:
        """End the process that a task has begun, if it trains, while the loop goes on.

        error: what has ended the task.
        """

        async def close(task: TrainingTask) -> None:
            if after is not None:
                await after
            await self.in_thread(lambda: task.close(error))

        if isinstance(task, TrainingTask):
            closing = self._loop.create_task(close(task))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def ended(self) -> None:
        """Once all that were let go of, or are over, have ended."""
        with self._lock:
            left, self._over = list(self._over.values()), {}
        for task in left:
            self.let_go(task, None)
        if self._closing:
            await asyncio.wait(self._closing)

    def _soon(self, call: Callable[..., object], *about: object) -> None:
        """Call something in the loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            self._loop.call_soon_threadsafe(call, *about)
