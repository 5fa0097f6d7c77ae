"""``train`` as a job of the agent: to follow what it trains, or to have it train."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from participant.door import Noticed, StudyTrained, Tell, TrainStudy, facts_of
from participant.errors import MissingApp, OtherTraining, OutOfTime
from participant.hospital import Hospital
from participant.network import Notices
from participant.service.shared_app import app_of
from participant.service.trainings import Apps, Listener
from participant.service.work import Work
from participant.study import (
    GivenApp,
    ListingTask,
    check_app,
    find_study,
    given_app,
    is_agreed,
    kept_approval,
    require_contributing,
    require_kind,
    require_member,
)
from participant.training import Event, TrainingTask, plain_value
from participant.waiting import Waiting
from protocol.board import study_session

T = TypeVar("T")


async def train(
    job: TrainStudy, hospital: Hospital, work: Work, notices: Notices, tell: Tell
) -> StudyTrained:
    """Until the training is over. Raises what ends it, MissingApp, OtherApp and OtherTraining."""

    def event(found: Event) -> None:
        tell(Noticed("training", facts_of(found, default=plain_value)))

    def printed(line: str, is_error: bool) -> None:
        tell(Noticed("printed", facts_of({"line": line, "is_error": is_error})))

    with work.trainings.followed(job.name, Listener(event, printed)):
        task = await _Train(job, hospital, work, notices).done()
    return StudyTrained(task.finished)


class _Train:
    """One job, with the time that it has."""

    def __init__(self, job: TrainStudy, hospital: Hospital, work: Work, notices: Notices) -> None:
        self._job, self._hospital, self._work, self._notices = job, hospital, work, notices
        self._began = time.monotonic()

    async def done(self) -> TrainingTask:
        """The task, once it is done."""
        job, work = self._job, self._work
        given = await self._in_time(work.trainings.in_thread(self._given))
        course = await self._in_time(work.training_of(job.name))
        if course is None:
            return await self._begun(given)
        assert isinstance(course.task, TrainingTask)
        if job.app and given and given.digest != course.task.app_digest:
            raise OtherTraining(job.name)
        self._hospital.task, self._hospital.session = course.task, work.session
        await work.follow(course, self._left, self._notices)
        return course.task

    def _given(self) -> GivenApp | None:
        """The app that was given, or approved."""
        job, work = self._job, self._work
        around = work.trainings.around(job.name, Apps(dict(job.variables), job.user or None))
        if named := app_of(job, around):
            return named
        kept = kept_approval(work.member.storage, job.name)
        return given_app(kept.app, around) if kept is not None and kept.app else None

    async def _begun(self, given: GivenApp | None) -> TrainingTask:
        """A training that ends with this job, if nobody else follows it."""
        job, work = self._job, self._work
        if given is None:
            raise MissingApp(job.name)
        with work.reserved(job.name) as begun:
            try:
                held = await work.steps.do(work.member.held_key)
                # Once the board is known: in a step, an app would hold up all that the agent does.
                look = lambda: ListingTask(work.member.index)  # noqa: E731
                await self._hospital.work_on(look, self._left, self._notices)
                await self._in_time(work.trainings.in_thread(lambda: self._prepare(given)))
                make = lambda: work.trainings.task(job.name, held, given)  # noqa: E731
                return await self._hospital.work_on(make, self._left, self._notices)
            finally:
                if not begun.done():  # else it ends with its task, whoever follows that
                    await work.trainings.in_thread(given.close)

    def _prepare(self, given: GivenApp) -> None:
        """Have the app begin, where the task itself would; raises as the task."""
        work, index = self._work, self._work.member.index
        assert work.session is not None
        state = find_study(work.session.agent.board, self._job.name)
        kept = kept_approval(work.member.storage, self._job.name)
        require_kind(state, "training")
        require_member(state, index)
        if not is_agreed(state.study, kept):
            require_contributing(state, index)
        check_app(state.study, kept, given)
        given.prepare(state.study)

    async def _in_time(self, awaited: Awaitable[T]) -> T:
        """Raises OutOfTime, where that comes first: it waits for the app."""
        try:
            async with asyncio.timeout(self._left) as limit:
                return await awaited
        except TimeoutError:
            if not limit.expired():
                raise
            facts = {"session": study_session(self._job.name)}
            waiting = Waiting("app", (self._work.member.index,), facts)
            raise OutOfTime(self._job.timeout or 0.0, waiting) from None

    @property
    def _left(self) -> float | None:
        """Seconds of the time that the command has."""
        if self._job.timeout is None:
            return None
        return max(0.1, self._began + self._job.timeout - time.monotonic())
