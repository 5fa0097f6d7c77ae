"""``train`` as a job of the agent: to follow what it trains, or to have it train."""

from participant.door import Noticed, StudyTrained, Tell, TrainStudy, facts_of
from participant.errors import MissingApp, OtherTraining
from participant.hospital import Hospital, TimeLeft, begin_app
from participant.network import Notices
from participant.service.shared_app import app_of
from participant.service.trainings import Apps, Listener
from participant.service.work import Work
from participant.study import GivenApp, ListingTask, given_app, kept_approval
from participant.training import Event, TrainingTask, plain_value


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
        self._time = TimeLeft(job.timeout, job.name, work.member.index)

    async def done(self) -> TrainingTask:
        """The task, once it is done."""
        job, work = self._job, self._work
        given = await self._time.wait_for(work.trainings.in_thread(self._given))
        course = await self._time.wait_for(work.training_of(job.name))
        if course is None:
            return await self._begun(given)
        assert isinstance(course.task, TrainingTask)
        if job.app and given and given.identity != course.task.app_identity:
            raise OtherTraining(job.name)
        self._hospital.task, self._hospital.session = course.task, work.session
        await work.follow(course, self._time.seconds, self._notices)
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
                keys = await work.steps.do(work.member.keys.read)
                # Once the board is known: in a step, an app would hold up all that the agent does.
                look = lambda: ListingTask(work.member.index)  # noqa: E731
                await self._hospital.work_on(look, self._time.seconds, self._notices)
                assert work.session is not None
                about = given, job.name, work.member, work.session.agent.board
                await self._time.wait_for(work.trainings.in_thread(lambda: begin_app(*about)))
                make = lambda: work.trainings.task(job.name, keys, given)  # noqa: E731
                return await self._hospital.work_on(make, self._time.seconds, self._notices)
            finally:
                if not begun.done():  # else it ends with its task, whoever follows that
                    await work.trainings.in_thread(given.close)
