"""The agent of a service at work: tasks that somebody waits for, and those due by themselves."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from participant.agent import Agent, Steps, Stopped, Task, Tasks
from participant.ceremony import CeremonyTask
from participant.errors import OutOfTime, SessionTaken, Unreachable
from participant.home import Membership
from participant.hospital import as_room_allows
from participant.network import CardTask, Notices, Session, Traffic
from participant.service.due import Due, due_tasks
from participant.service.due_studies import Duties
from participant.service.trainings import NO_APPS, Apps, TrainingChronicle, Trainings
from participant.training import TrainingTask
from participant.waiting import Waiting
from protocol.board import StudyState, study_session
from protocol.key import HeldKey
from protocol.terms import AGGREGATOR

T = TypeVar("T", bound=Task)
_BOARD = Waiting("board", (AGGREGATOR,))


class TaskChronicle(TrainingChronicle, Protocol):
    """Who is told of tasks; all in the event loop."""

    notices: Notices

    def began(self, task: str, session: str) -> None: ...
    def ended(self, task: str, session: str, error: Exception | None) -> None: ...


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
    waiting: Waiting = _BOARD

    @property
    def session(self) -> str:
        """Its session, as far as it is known."""
        return self.task.session or self.due_in


class TaskAt(NamedTuple):
    """A task, by name and session, and what it waits for."""

    name: str
    session: str
    waiting: Waiting


class Work:
    """One agent for all tasks, over lost links and full disks, until it is cancelled."""

    def __init__(
        self, member: Membership, steps: Steps, chronicle: TaskChronicle, apps: Apps = NO_APPS
    ) -> None:
        self.member, self.steps = member, steps
        # For what a command asks for, takes long and holds up no task: one after the other.
        self.reading, self.hashing = Steps(), Steps()
        self.session: Session | None = None
        self.traffic = Traffic()
        self.courses: dict[Task, Course] = {}
        self._chronicle, self._watching = chronicle, list[Notices]()
        self._tasks: Tasks | None = None
        self._is_running, self._moved = asyncio.Event(), asyncio.Event()
        self._over = dict[
            str, int
        ]()  # sessions whose automatic task has failed, and since when due
        self._preparing = dict[str, asyncio.Task[None]]()
        self._held: HeldKey | None = None
        self.trainings = Trainings(member, self.traffic, chronicle, self._wake)
        around = lambda study: self.trainings.around(study, apps)  # noqa: E731
        self._duties = Duties(member, self.trainings.task, around)

    async def run(self) -> None:
        """Work until cancelled. Raises what ends every task, as ``Session.work`` does."""
        notices = self._to_all()
        await as_room_allows(
            self.member.folder, None, lambda _: self._run(notices), notices, self.steps
        )

    async def _run(self, notices: Notices) -> None:
        member, key = self.member, self.member.identity.signing_key
        loop = asyncio.get_running_loop()

        def ended(task: Task, error: Exception | None) -> None:  # in a step
            loop.call_soon_threadsafe(self._end, task, error)

        tasks = Tasks(ended)
        tasks.add(CardTask(member.index, member.address))
        agent = await self.steps.do(
            lambda: Agent(member.terms, member.index, key, member.storage, tasks, notices.set_back)
        )
        self.session = Session(
            agent, key, member.address, notices, None, self.traffic, steps=self.steps
        )
        self._tasks = tasks
        self._is_running.set()
        halves = [asyncio.create_task(half) for half in (self.session.work(), self._tend(agent))]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            for half in halves:
                if half.done():
                    half.result()
        except Exception as error:
            self._end_all(error)
            raise
        finally:
            self._is_running.clear()
            for half in [*halves, *self._preparing.values()]:
                half.cancel()
            await asyncio.wait([*halves, *self._preparing.values()])
            self._end_all(Stopped())
            await self.trainings.ended()

    async def do(self, make: Callable[[], T], timeout: float | None, notices: Notices) -> T:
        """A task, once it is done; another one's of its kind where there can be only one.

        Raises what ended it, and OutOfTime. It is let go of when nobody waits for it any more.
        """
        course: Course | None = None
        try:
            async with asyncio.timeout(timeout) as limit:
                await self._is_running.wait()
                course = self._joined(await self.steps.do(make))
                course.watchers += 1
                self._watching.append(notices)
                try:
                    self._greet(notices)
                    await asyncio.shield(course.end)
                finally:
                    self._watching.remove(notices)
                    self._leave(course)
        except TimeoutError:
            if not limit.expired():
                raise
            session = self.session
            is_sending = session is not None and session.agent.is_sending
            waiting = self.waiting(course)
            raise OutOfTime(timeout or 0.0, waiting, is_sending) from None
        return course.task  # type: ignore[return-value]  # of the same class

    def waiting(self, course: Course | None) -> Waiting:
        """What a course waits for, as it was when the agent last rested."""
        found = self.session.hindrance if self.session else None
        return found or (course.waiting if course else _BOARD)

    async def training_of(self, study: str) -> TrainingTask | None:
        """The task that trains in a study, once it has begun; None if there is none."""
        if preparing := self._preparing.get(study_session(study)):
            await asyncio.wait([preparing])
        tasks = (course.task for course in self.courses.values())
        found = (t for t in tasks if isinstance(t, TrainingTask) and t.name == study)
        return next(found, None)

    async def reserve(self, study: str, prepare: Callable[[], None]) -> None:
        """Do what comes before training in a thread of its own, while no other begins with it."""
        session = study_session(study)
        if session in self._taken:
            raise SessionTaken(session)
        preparing = self._preparing[session] = asyncio.create_task(asyncio.to_thread(prepare))
        try:
            await preparing
        finally:
            self._preparing.pop(session, None)

    def state_of(self, study: str) -> StudyState | None:
        """A study as the board has it, as far as that is known."""
        return self.session.agent.board.studies.get(study) if self.session else None

    def is_statistic(self, study: str) -> bool:
        """Whether a study is one, as far as the board is known."""
        found = self.session.agent.board.studies.get(study) if self.session else None
        return found is not None and not found.study.is_training

    @property
    def tasks(self) -> list[TaskAt]:
        """All that is at work, in the order in which it began."""
        return [TaskAt(name_of(c.task), c.session, self.waiting(c)) for c in self.courses.values()]

    def course_of(self, task: Task | None) -> Course | None:
        """The course of a task, or of the one that does its work."""
        if isinstance(task, CeremonyTask):
            found = (c for c in self.courses.values() if isinstance(c.task, CeremonyTask))
            return next(found, None)
        return self.courses.get(task) if task is not None else None

    def _joined(self, task: Task) -> Course:
        # A second ceremony would have to compute all again that the first one has computed.
        return self.course_of(task) or self._begin(task)

    def _begin(self, task: Task, due_in: str = "", due_since: int = 0) -> Course:
        assert self._tasks is not None and self.session is not None
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        course = self.courses[task] = Course(task, due_in, due_since, end)
        self._tasks.add(task, yields=bool(due_in))
        self.session.wake()
        self._chronicle.began(name_of(task), course.session)
        return course

    def _leave(self, course: Course) -> None:
        course.watchers -= 1
        if course.watchers or course.due_in or course.end.done():
            return
        self.courses.pop(course.task, None)
        if self._tasks is not None:
            self._tasks.remove(course.task)
        self.trainings.let_go(course.task)
        self._moved.set()  # what gave way to it may be due again

    def _end(self, task: Task, error: Exception | None) -> None:
        course = self.courses.pop(task, None)
        self.trainings.let_go(task)
        if course is None or course.end.done():
            return
        if isinstance(error, SessionTaken) and course.due_in:
            self._settle(course, error)  # it gave way to a task that somebody asked for
            return
        if course.due_in and error is not None:
            self._over[course.due_in] = course.due_since
        self._chronicle.ended(name_of(task), course.session, error)
        self._settle(course, error)
        self._moved.set()

    def _end_all(self, error: BaseException) -> None:
        """None of the tasks goes on: they are to be made anew."""
        courses, self.courses = list(self.courses.values()), {}
        for course in courses:
            self.trainings.let_go(course.task)
            self._settle(course, error)

    def _settle(self, course: Course, error: BaseException | None) -> None:
        if course.end.done():
            return
        if error is None:
            course.end.set_result(None)
        else:
            course.end.set_exception(error)
            course.end.exception()  # whether or not anybody waits for it

    async def _tend(self, agent: Agent) -> None:
        """Begin with what is due by itself, whenever the board may say so."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            if not agent.begun:
                continue
            for due in await self.steps.do(partial(self._due, agent, self._taken)):
                if due.session in self._taken or self._over.get(due.session, -1) >= due.since:
                    continue
                if due.prepare is None:
                    await self._begin_due(due)
                else:
                    preparing = asyncio.create_task(self._prepare(due))
                    self._preparing[due.session] = preparing

    async def _begin_due(self, due: Due) -> None:
        task = await self.steps.do(due.make)
        if self.course_of(task) is None:
            self._begin(task, due.session, due.since)

    async def _prepare(self, due: Due) -> None:
        """Do what comes before a task, however long it takes, and then begin with the task."""
        assert due.prepare is not None
        try:
            await asyncio.to_thread(due.prepare)
            await self._begin_due(due)
        except Exception as error:
            self._over[due.session] = due.since
            self._chronicle.ended("training", due.session, error)
            await asyncio.to_thread(due.give_up)
        except BaseException:  # the end of all work, which waits for no app
            await asyncio.shield(asyncio.to_thread(due.give_up))
            raise
        finally:
            self._preparing.pop(due.session, None)
            self._moved.set()

    @property
    def _taken(self) -> set[str]:
        """Sessions, of rounds or of whole studies, in which a task is at work or about to be."""
        found = {course.session for course in self.courses.values()} | self._preparing.keys()
        tasks = [course.task for course in self.courses.values()]
        return found | {study_session(t.name) for t in tasks if isinstance(t, TrainingTask)}

    def trains(self, study: str) -> bool:
        """Whether a study is being trained here, or is about to be."""
        tasks = [course.task for course in self.courses.values()]
        is_at_work = any(isinstance(t, TrainingTask) and t.name == study for t in tasks)
        return is_at_work or study_session(study) in self._preparing

    def leave_alone(self, session: str) -> None:
        """Begin nothing in a session by itself, until this hospital approves the study anew."""
        if self.session is not None:
            self._over[session] = self.session.agent.board.head.position

    def wake(self) -> None:
        """Let the agent make a step soon."""
        self._wake()

    def _due(self, agent: Agent, at_work: set[str]) -> list[Due]:
        if self._held is None and self.member.vault.epochs():
            self._held = self.member.settled_key()
        now_ms = int(time.time() * 1000)
        return due_tasks(agent.board, self.member, self._held, now_ms, self._duties.due, at_work)

    def _wake(self) -> None:
        if self.session is not None:
            self.session.wake()

    def _greet(self, notices: Notices) -> None:
        """Tell one that comes later what the others were told before."""
        assert self.session is not None
        found = self.session.hindrance
        if found is None or found.kind != "link":
            notices.found()
        elif reason := found.facts["reason"]:
            notices.lost(Unreachable(self.session.url, reason, found.facts["remedy"]))
        notices.moved()

    def _look(self) -> None:
        """Take note of what is waited for; the agent rests now."""
        session, tasks = self.session, self._tasks
        if session is None or tasks is None:
            return
        begun = {reader.task for reader in tasks.begun()}
        for course in self.courses.values():
            course.waiting = _BOARD
            if course.task in begun:
                course.waiting = course.task.waiting(session.agent.board)
        self._moved.set()

    def _to_all(self) -> Notices:
        """Notices that each one who waits is told, and the chronicle."""

        def told(name: str) -> Callable[..., None]:
            def tell(*about: Any) -> None:
                for notices in [self._chronicle.notices, *self._watching]:
                    getattr(notices, name)(*about)

            return tell

        def moved() -> None:
            self._look()
            told("moved")()

        loop = asyncio.get_running_loop()

        def set_back(found: Any) -> None:  # comes in a step
            loop.call_soon_threadsafe(told("set_back"), found)

        each: dict[str, Any] = {one.name: told(one.name) for one in fields(Notices)}
        return Notices(**{**each, "moved": moved, "set_back": set_back})


def name_of(task: Task) -> str:
    """A task in one or two words."""
    words = re.findall("[A-Z][a-z]*", type(task).__name__.removesuffix("Task"))
    return " ".join(words).lower() or "task"
