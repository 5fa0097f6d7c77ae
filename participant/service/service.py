"""The long-lived process of a hospital: from the lock to the door, the passphrase and the work.

It holds the federation's folder all the time. The door is open from the first moment, so that a
command is told what is missing instead of being locked out.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from participant.agent import Steps
from participant.app import reap_left
from participant.disk import hold
from participant.door import (
    MAX_REPORT_BYTES,
    SERVE,
    AgentStanding,
    AgentState,
    Ask,
    Door,
    Failed,
    Finished,
    JobWanted,
    TaskStanding,
    Tell,
    facts_of,
    socket_path,
    waits_of,
)
from participant.errors import AgentWaits, ParticipantError
from participant.home import Membership
from participant.network import DirectStore, ask_aggregator, local_facts
from participant.service.course import TaskAt
from participant.service.jobs import do_job
from participant.service.notify import Notifier
from participant.service.trainings import NO_APPS, Apps
from participant.service.work import TaskChronicle, Work
from protocol.errors import ProtocolError

_STOP_SECONDS = 30.0  # that a step which is under way has to end
_LOOK_SECONDS = 1.0
_STATUS = {
    "starting": "starting",
    "passphrase": "waiting for the passphrase",
    "running": "at work",
    "stopping": "stopping: finishing what is under way",
}


class Chronicle(TaskChronicle, Protocol):
    """Who is told what the service does; all in the event loop."""

    def state(self, state: AgentState) -> None: ...
    def waits(self, own: int, tasks: list[TaskAt]) -> None: ...
    def job(self, wanted: JobWanted, error: BaseException | None, is_over: bool) -> None: ...
    def stopped(self, left: list[TaskAt], is_sending: bool) -> None: ...


class Service:
    """One hospital's agent in one federation; also what its door leads to."""

    def __init__(
        self,
        folder: Path,
        enter: Callable[[], Membership],
        describe: Callable[[BaseException, JobWanted | None], Failed],
        chronicle: Chronicle,
        asking: Steps,
        notifier: Notifier,
        apps: Apps = NO_APPS,
        keep_models: int | None = None,
        direct: DirectStore | None = None,
    ) -> None:
        """``folder``: the federation's. ``enter`` asks for the passphrase, in a step of ``asking``.

        describe: an error in words, with the names that were typed where somebody wants a job.
        keep_models, direct: as of ``Hospital``.
        """
        self.state: AgentState = "starting"
        self._folder, self._enter, self._describe = folder, enter, describe
        self._chronicle, self._asking, self._notifier = chronicle, asking, notifier
        self._apps, self._keep_models, self._direct = apps, keep_models, direct
        self._steps = Steps()
        self._work: Work | None = None
        self._began = time.monotonic()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Work until ``stop`` is called, or until cancelled, which is the same.

        Raises AlreadyRunning, what is wrong with folder and passphrase, and what ends all work.
        """
        with contextlib.ExitStack() as held:
            take = lambda: held.enter_context(hold(self._folder, SERVE))  # noqa: E731
            await self._steps.do(take)
            async with Door(self._folder, self).open():
                alive = asyncio.create_task(self._say_alive())
                try:
                    await self._work_on(await self._entered())
                finally:
                    alive.cancel()

    async def _entered(self) -> Membership:
        self._set("passphrase")
        return await self._asking.do(self._enter)

    async def _work_on(self, member: Membership) -> None:
        def words(error: Exception) -> tuple[str, str]:
            said = self._describe(error, None)
            return said.what, said.remedy

        own = self._keep_models, self._direct
        work = self._work = Work(member, self._steps, self._chronicle, self._apps, words, *own)
        self._set("running")
        halves: list[asyncio.Future[Any]] = [
            asyncio.create_task(work.run()),
            asyncio.create_task(self._stop.wait()),
            asyncio.create_task(self._look(work)),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            for half in halves:
                if half.done():
                    half.result()
        finally:
            self._set("stopping")
            left = work.tasks
            for half in halves:
                half.cancel()
            # What a step is writing is written before the folder is let go of.
            last = self._steps.begin(lambda: None)
            await asyncio.wait([*halves, last], timeout=_STOP_SECONDS)
            is_sending = work.session is not None and work.session.agent.is_sending
            self._chronicle.stopped(left, is_sending)

    def _set(self, state: AgentState) -> None:
        self.state = state
        self._chronicle.state(state)
        if state == "running":
            self._notifier.ready(_STATUS[state])
        elif state == "stopping":
            self._notifier.stopping(_STATUS[state])
        else:
            self._notifier.status(_STATUS[state])

    async def _say_alive(self) -> None:
        """Tell the service manager, as often as it wants to hear."""
        while seconds := self._notifier.watchdog_seconds:
            self._notifier.alive()
            await asyncio.sleep(seconds)

    async def _look(self, work: Work) -> None:
        """Tell now and then what is waited for, and let go of what apps have left."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._chronicle.waits(work.member.index, work.tasks)
            reap_left()

    def is_statistic(self, study: str) -> bool:
        """Whether a study is one, as far as the board is known."""
        return self._work is not None and self._work.is_statistic(study)

    # ── what the door leads to ──

    def stop(self) -> None:
        """End gracefully; returns at once."""
        self._stop.set()

    async def standing(self) -> AgentStanding:
        """How things stand, as far as that is known."""
        here = there = b""
        trouble = remedy = ""
        work = self._work
        if work is not None:
            here = facts_of(local_facts(work.member))
            try:
                there = facts_of(await ask_aggregator(work.member), MAX_REPORT_BYTES)
            except (ParticipantError, ProtocolError) as error:
                said = self._describe(error, None)
                trouble, remedy = said.what, said.remedy
        tasks = [
            TaskStanding(task.name, task.session, waits_of(task.waiting, self.is_statistic))
            for task in (work.tasks if work else ())
        ]
        up_seconds = time.monotonic() - self._began
        member = work.member.index if work else 0
        return AgentStanding(
            self.state, os.getpid(), up_seconds, member, tuple(tasks), here, there, trouble, remedy
        )

    async def perform(self, wanted: JobWanted, tell: Tell, ask: Ask) -> Finished:
        """Do a job to its end. Raises AgentWaits where the agent is not at work."""
        self._chronicle.job(wanted, None, False)
        try:
            if self._work is None or self.state != "running":
                raise AgentWaits(socket_path(self._folder), self.state)  # type: ignore[arg-type]
            traffic = self._work.traffic
            up, down = traffic.up, traffic.down
            result = await do_job(wanted.job, self._work, tell, ask)
        except BaseException as error:
            self._chronicle.job(wanted, error, True)
            raise
        self._chronicle.job(wanted, None, True)
        return Finished(result, traffic.up - up, traffic.down - down)

    def say(self, error: BaseException, wanted: JobWanted) -> Failed:
        """An error in words, with the names that were typed."""
        return self._describe(error, wanted)
