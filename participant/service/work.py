"""The agent of a service at work: tasks that somebody waits for, and those due by themselves."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from participant.agent import Agent, Steps, Stopped, Task, Tasks
from participant.ceremony import CeremonyTask
from participant.errors import OtherApp, OutOfTime, SessionTaken, Unreachable
from participant.handover import HandoverTask
from participant.home import Membership, now_ms
from participant.hospital import as_room_allows
from participant.network import CardTask, DirectStore, Notices, Session, Traffic
from participant.program import Words
from participant.pruning import pruning_task
from participant.service.beginnings import Beginnings
from participant.service.course import BOARD, Course, TaskAt, name_of
from participant.service.due import Due, due_tasks
from participant.service.due_studies import Duties
from participant.service.telling import to_all
from participant.service.trainings import NO_APPS, Apps, TrainingChronicle, Trainings
from participant.study import kept_approval
from participant.training import TrainingTask
from participant.waiting import Waiting
from protocol.key import HeldKeys
from protocol.messages import study_session

T = TypeVar("T", bound=Task)


class TaskChronicle(TrainingChronicle, Protocol):
    """Who is told of tasks; all in the event loop."""

    notices: Notices

    def began(self, task: str, session: str) -> None: ...
    def ended(self, task: str, session: str, error: Exception | None) -> None: ...


class Work:
    """One agent for all tasks, over lost links and full disks, until it is cancelled."""

    def __init__(
        self,
        member: Membership,
        steps: Steps,
        chronicle: TaskChronicle,
        apps: Apps = NO_APPS,
        words: Words = lambda error: (str(error), ""),
        keep_models: int | None = None,
        direct: DirectStore | None = None,
    ) -> None:
        """words: of errors, for programs at a socket. keep_models, direct: as of ``Hospital``."""
        self.member, self.steps, self._keep_models = member, steps, keep_models
        self._direct = direct
        # For what a command asks for, takes long and holds up no task: one after the other.
        self.reading, self.hashing = Steps(), Steps()
        self.session: Session | None = None
        self.traffic = Traffic()
        self.courses: dict[Task, Course] = {}
        self._chronicle, self._watching = chronicle, list[Notices]()
        self._tasks: Tasks | None = None
        self._is_running, self._moved = asyncio.Event(), asyncio.Event()
        self._beginnings = Beginnings()
        self._keys: HeldKeys | None = None
        self.trainings = Trainings(member, self.traffic, chronicle, self.wake, words)
        around = lambda study: self.trainings.around(study, apps)  # noqa: E731
        self._duties = Duties(member, self.trainings.task, around)

    async def run(self) -> None:
        """Work until cancelled. Raises what ends every task, as ``Session.work`` does."""
        notices = to_all(self._chronicle.notices, self._watching, self._look)
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
        if self._keep_models is not None:
            tasks.add(pruning_task(member, self._keep_models, notices.pruned))
        place = member.terms, member.index, key, member.storage, tasks
        agent = await self.steps.do(lambda: Agent(*place, notices.set_back, member.board_copy()))
        about = agent, key, member.address, notices, None, self.traffic
        self.session = Session(*about, steps=self.steps, direct=self._direct)
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
            left = [*halves, *self._beginnings.preparing]
            for half in left:
                half.cancel()
            await asyncio.wait(left)
            self._end_all(Stopped())
            await self.trainings.ended()

    async def do(self, make: Callable[[], T], timeout: float | None, notices: Notices) -> T:
        """A task, once it is done; another one's of its kind where there can be only one.

        Raises what ended it, and OutOfTime. It is let go of when nobody waits for it any more.
        """

        async def joined() -> Course:
            await self._is_running.wait()
            return self._joined(await self.steps.do(make))

        return await self._watched(joined(), timeout, notices)  # type: ignore[return-value]

    async def follow(self, course: Course, timeout: float | None, notices: Notices) -> Task:
        """The task of a course that is at work now, once it is done; as ``do``."""

        async def found() -> Course:
            return course

        return await self._watched(found(), timeout, notices)

    async def _watched(
        self, joined: Awaitable[Course], timeout: float | None, notices: Notices
    ) -> Task:
        course: Course | None = None
        try:
            async with asyncio.timeout(timeout) as limit:
                course = await joined
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
        return course.task

    def waiting(self, course: Course | None) -> Waiting:
        """What a course waits for, as it was when the agent last rested."""
        found = self.session.hindrance if self.session else None
        return found or (course.waiting if course else BOARD)

    async def training_of(self, study: str) -> Course | None:
        """What trains in a study, once it has begun; None if nothing does."""
        session = study_session(study)
        while True:
            if found := next((c for c in self.courses.values() if c.trains == study), None):
                return found
            if (coming := self._beginnings.coming(session)) is None:
                return None
            await asyncio.wait([coming])

    def reserved(self, study: str) -> contextlib.AbstractContextManager[asyncio.Future[None]]:
        """Let no other training of a study begin, as of ``Beginnings``; raises SessionTaken."""
        session = study_session(study)
        if session in self._taken:
            raise SessionTaken(session)
        return self._beginnings.reserved(session)

    async def look_anew(self, study: str) -> None:
        """After a word of this hospital's about a study: what it says now is done, and no more.

        What has failed is tried again, and nothing goes on with an app that is no longer approved.
        """
        session, storage = study_session(study), self.member.storage
        kept = await self.steps.do(lambda: kept_approval(storage, study))
        self._beginnings.cancel(session)
        for course in [c for c in self.courses.values() if c.trains == study]:
            task = course.task
            assert isinstance(task, TrainingTask)
            if kept and kept.app and task.app_identity != kept.identity:
                digests = kept.app_digest, task.app_digest
                self._dismiss(course, OtherApp(study, kept.app, "approval", *digests))
        self._beginnings.try_anew(session)
        self._moved.set()

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
        for kind in (CeremonyTask, HandoverTask):
            if isinstance(task, kind):
                found = (c for c in self.courses.values() if isinstance(c.task, kind))
                return next(found, None)
        return self.courses.get(task) if task is not None else None

    def _joined(self, task: Task) -> Course:
        # A second ceremony would have to compute all again that the first one has computed. A
        # handover that goes on by itself lacks its people's word alone.
        found = self.course_of(task)
        if found and isinstance(task, HandoverTask) and found.task is not task and task.wish:
            assert isinstance(found.task, HandoverTask)
            found.task.agree(task.wish)
        return found or self._begin(task)

    def _begin(self, task: Task, due_in: str = "", due_since: int = 0) -> Course:
        assert self._tasks is not None and self.session is not None
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        course = self.courses[task] = Course(task, due_in, due_since, end)
        if course.trains:
            self._make_way(study_session(course.trains))
        self._tasks.add(task, yields=bool(due_in))
        self.session.wake()
        self._chronicle.began(name_of(task), course.session)
        return course

    def _make_way(self, session: str) -> None:
        """A study is trained from now on, and that helps with its sums by itself."""
        self._beginnings.begun(session)
        for course in list(self.courses.values()):
            if course.due_in.startswith(f"{session}/"):
                self._dismiss(course, SessionTaken(course.due_in))
                self._beginnings.forget(course.due_in)

    def _dismiss(self, course: Course, error: Exception) -> None:
        """End a course with an error."""
        if self._tasks is not None:
            self._tasks.remove(course.task)
        self._end(course.task, error, is_read=True)

    def _leave(self, course: Course) -> None:
        course.watchers -= 1
        if course.watchers or course.due_in or course.end.done():
            return
        self.courses.pop(course.task, None)
        if self._tasks is not None:
            self._tasks.remove(course.task)
        self._let_go(course.task, is_read=True)
        self._beginnings.way_is_free()
        self._moved.set()

    def _let_go(self, task: Task, is_read: bool = False) -> None:
        """End a task's app. is_read: a step that is under way may still ask what that answers."""
        self.trainings.let_go(task, self.steps.begin(lambda: None) if is_read else None)

    def _end(self, task: Task, error: Exception | None, is_read: bool = False) -> None:
        course = self.courses.pop(task, None)
        if is_read or isinstance(error, Stopped):
            self._let_go(task, is_read)
        else:
            self.trainings.finish(task, error)
        if course is None or course.end.done():
            return
        if isinstance(error, SessionTaken) and course.due_in:
            self._beginnings.gave_way(course.due_in)
            self._settle(course, error)
            return
        if not course.due_in:
            self._beginnings.way_is_free()
        elif error is not None:
            self._beginnings.failed(course.due_in, course.due_since)
        self._chronicle.ended(name_of(task), course.session, error)
        self._settle(course, error)
        self._moved.set()

    def _end_all(self, error: BaseException) -> None:
        """None of the tasks goes on: they are to be made anew."""
        courses, self.courses = list(self.courses.values()), {}
        self._beginnings.way_is_free()
        for course in courses:
            self._let_go(course.task)
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
            self._beginnings.cancel_vain(agent.board, self.member.index)
            for due in await self.steps.do(partial(self._due, agent, self._taken)):
                if due.session in self._taken or self._beginnings.is_tried(due):
                    continue
                if due.prepare is None:
                    await self._begin_due(due)
                else:
                    # Whatever comes of it, it may be due again.
                    self._beginnings.prepare(due.session, self._prepare(due), self._moved.set)

    async def _begin_due(self, due: Due) -> None:
        task = await self.steps.do(due.make)
        if self.course_of(task) is None:
            self._begin(task, due.session, due.since)

    async def _prepare(self, due: Due) -> None:
        """Do what comes before a task, however long it takes, and then begin with the task."""
        assert due.prepare is not None
        try:
            await self.trainings.in_thread(due.prepare)
            await self._begin_due(due)
        except Exception as error:
            self._beginnings.failed(due.session, due.since)
            self._chronicle.ended("training", due.session, error)
            await self.trainings.in_thread(due.give_up)
        except BaseException:  # the end of all work, which waits for no app
            await asyncio.shield(self.trainings.in_thread(due.give_up))
            raise

    @property
    def _taken(self) -> set[str]:
        """Sessions, of rounds or of whole studies, in which a task is at work or about to be."""
        courses = self.courses.values()
        found = {c.session for c in courses} | {
            study_session(c.trains) for c in courses if c.trains
        }
        return found | self._beginnings.sessions

    def trains(self, study: str) -> bool:
        """Whether a study is being trained here, or is about to be."""
        is_at_work = any(course.trains == study for course in self.courses.values())
        return is_at_work or study_session(study) in self._beginnings.sessions

    def leave_alone(self, session: str) -> None:
        """Begin nothing in a session by itself, until this hospital approves the study anew."""
        if self.session is not None:
            self._beginnings.failed(session, self.session.agent.board.head.position)

    def wake(self) -> None:
        """Let the agent make a step soon; in the loop."""
        if self.session is not None:
            self.session.wake()

    def _due(self, agent: Agent, at_work: set[str]) -> list[Due]:
        has_share = bool(self.member.vault.epochs())  # none any more: it left, or has lost it
        if self._keys is None and has_share:
            self._keys = self.member.settled_keys()
        studies = partial(self._duties.due, has_failed=self._beginnings.is_tried)
        keys = self._keys if has_share else None
        return due_tasks(agent.board, self.member, keys, now_ms(), studies, at_work)

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
            course.waiting = BOARD
            if course.task in begun:
                course.waiting = course.task.waiting(session.agent.board)
        self._moved.set()
