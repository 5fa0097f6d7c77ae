"""``train`` as a job of the agent: to follow what it trains, or to have it train."""

import asyncio

from participant.door import Noticed, StudyTrained, Tell, TrainStudy, facts_of
from participant.errors import MissingApp, OtherTraining
from participant.hospital import Hospital
from participant.network import Notices
from participant.service.trainings import Apps, Listener
from participant.service.work import Work
from participant.study import GivenApp, check_app, given_app, kept_approval
from participant.training import Event, TrainingTask, plain_value


async def train(
    job: TrainStudy, hospital: Hospital, work: Work, notices: Notices, tell: Tell
) -> StudyTrained:
    """Until the training is over. Raises what ends it, MissingApp, OtherApp and OtherTraining."""

    def event(found: Event) -> None:
        tell(Noticed("training", facts_of(found, default=plain_value)))

    def printed(line: str, is_error: bool) -> None:
        tell(Noticed("printed", facts_of({"line": line, "is_error": is_error})))

    given = await asyncio.to_thread(_given, job, work)
    with work.trainings.followed(job.study, Listener(event, printed)):
        if (found := await work.training_of(job.study)) is None:
            task = await _begun(job, given, hospital, work, notices)
        elif job.app and given and given.digest != found.app_digest:
            raise OtherTraining(job.study)
        else:
            task = await hospital.work_on(lambda: found, job.timeout, notices)
    return StudyTrained(task.finished)


def _given(job: TrainStudy, work: Work) -> GivenApp | None:
    """The app that was given, or approved."""
    around = work.trainings.around(job.study, Apps(dict(job.variables), job.user or None))
    if job.app:
        return given_app(job.app, around)
    kept = kept_approval(work.member.storage, job.study)
    return given_app(kept.app, around) if kept is not None and kept.app else None


async def _begun(
    job: TrainStudy, given: GivenApp | None, hospital: Hospital, work: Work, notices: Notices
) -> TrainingTask:
    """A training that ends with this job, if nobody else follows it."""
    if given is None:
        raise MissingApp(job.study)
    held = await work.steps.do(work.member.held_key)

    def prepare() -> None:
        """As the task itself would do it in a step, if this hospital has approved."""
        state = work.state_of(job.study)
        if state is not None and state.contributes(work.member.index):
            check_app(state.study, kept_approval(work.member.storage, job.study), given)
            given.prepare(state.study)

    try:
        await work.reserve(job.study, prepare)
        make = lambda: work.trainings.task(job.study, held, given)  # noqa: E731
        return await hospital.work_on(make, job.timeout, notices)
    finally:
        await asyncio.to_thread(given.close)
