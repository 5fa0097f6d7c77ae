"""One task of a hospital after the other, each from beginning to end on a folder that is held."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from participant.agent import Agent, Snapshot, Steps, Task, Tasks
from participant.disk import Storage, hold
from participant.errors import AlreadyRunning, OutOfTime
from participant.home import Membership
from participant.key import inheritance_task
from participant.network import CardTask, DirectStore, Notices, Session, Traffic
from participant.pruning import pruning_task
from participant.waiting import Waiting
from protocol.programs.lock import LOCK_NAME
from protocol.terms import Terms

T = TypeVar("T", bound=Task)
_MOMENT_SECONDS = 0.5  # in which what nobody waits for any more may end
_LOOKS = 10


class AtWork:
    """What a hospital's tasks have in common."""

    def __init__(
        self,
        member: Membership,
        steps: Steps | None = None,
        keep_models: int | None = None,
        direct: DirectStore | None = None,
    ) -> None:
        """``open`` makes one of files. steps: who does them, if not a thread of its own.

        keep_models: so many of each study, the newest, 2 or more; None for all. direct: where large
        blobs may come from and go to, if not through the aggregator alone.
        """
        self.member, self.keep_models, self._direct = member, keep_models, direct
        self.steps = steps or Steps()
        self.session: Session | None = None  # the last
        self.task: Task | None = None  # what it is, or was, for
        self.traffic = Traffic()  # of all calls
        self._command = ""  # what the folder is held for

    @property
    def terms(self) -> Terms:
        """What all members have signed."""
        return self.member.terms

    @property
    def name(self) -> str:
        """This hospital's name."""
        return self.member.identity.name

    @property
    def index(self) -> int:
        """This hospital's number."""
        return self.member.index

    @property
    def folder(self) -> Path:
        """Where this hospital keeps what belongs to the federation."""
        return self.member.folder

    @property
    def url(self) -> str:
        """Where the aggregator is now looked for."""
        return self.member.address.newest.url

    @property
    def waiting(self) -> Waiting | None:
        """What the call that is at work waits for; to be asked in its loop."""
        session, task = self.session, self.task
        return session.waiting_of(task) if session and task and self._command else None

    @property
    def is_sending(self) -> bool:
        """Whether the last call has said what is not yet known to be on the board.

        Whatever the next call is, it sends that first.
        """
        return self.session is not None and self.session.agent.is_sending

    def wake(self) -> None:
        """Let the agent look at its task soon; in the loop."""
        if self.session is not None:
            self.session.wake()

    @contextlib.asynccontextmanager
    async def holding(
        self,
        command: str,
        timeout: float | None,
        lock: Callable[[Path, str], contextlib.AbstractContextManager[bool | None]] = hold,
    ) -> AsyncIterator[bool]:
        """Hold the folder while the block runs, and until the last step of it has ended."""
        if timeout is not None and not timeout > 0:  # NaN passes every other comparison
            raise ValueError("timeout must be more than 0 seconds, or None")
        for _ in range(_LOOKS):  # a loop over ``train`` that was left ends a moment later
            if self._command:
                await asyncio.sleep(_MOMENT_SECONDS / _LOOKS)
        if self._command:
            raise AlreadyRunning(self.folder / LOCK_NAME, os.getpid(), self._command)
        self._command, held = command, contextlib.ExitStack()
        self.session = self.task = None
        try:
            async with asyncio.timeout(timeout) as limit:
                taken = self.steps.do(lambda: held.enter_context(lock(self.folder, command)))
                is_writable = await taken is not False
            yield is_writable
        except TimeoutError:
            if not limit.expired():
                raise
            before = Waiting("task", (self.member.index,))  # of a call before this one
            raise OutOfTime(timeout or 0.0, before) from None
        finally:
            self._command = ""
            await asyncio.wait([self.steps.begin(held.close)], timeout=_MOMENT_SECONDS)

    async def work_on(
        self,
        make: Callable[[], T],
        timeout: float | None,
        notices: Notices,
        storage: Storage | None = None,
    ) -> T:
        """A task, once it is done. It is made where all steps are, behind those of before."""
        member, key = self.member, self.member.identity.signing_key

        def begin() -> tuple[T, Agent]:
            kept, task = storage or member.storage, make()
            # Who is given another storage may not be able to keep a post until it is on the board.
            beside: list[Task] = [] if storage else [CardTask(member.index, member.address)]
            if not storage and (inheritance := inheritance_task(member)):
                beside.append(inheritance)
            if not storage and (keep := self.keep_models) is not None:
                beside.append(pruning_task(member, keep, notices.pruned))
            tasks = Tasks.lone(task, *beside)
            copy = member.board_copy(is_kept=not isinstance(kept, Snapshot))
            place = member.terms, member.index, key, kept, tasks
            return task, Agent(*place, notices.set_back, copy)

        task, agent = await self.steps.do(begin)
        self.task = task
        place = agent, key, member.address, notices, timeout, self.traffic
        self.session = Session(*place, steps=self.steps, direct=self._direct)
        await self.session.work()
        return task
