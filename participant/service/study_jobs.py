"""The commands' jobs about studies, done by the agent that runs."""

import hmac
from collections.abc import Iterable
from pathlib import Path

from participant.agent import Steps
from participant.door import (
    ApproveStudy,
    EndStudy,
    ListStudies,
    ProposeStudy,
    ShowStudy,
    StudyJob,
    WithdrawStudy,
    encode_standings,
)
from participant.errors import AppOutOfReach, DiskError, MissingFile, OtherApp
from participant.hospital import Hospital
from participant.network import Notices
from participant.study import GivenApp, StudyStanding, Surroundings, given_app
from protocol.board import Study


async def do_study_job(job: StudyJob, hospital: Hospital, notices: Notices, beside: Steps) -> bytes:
    """A job's result, encoded; raises what the same method of ``Hospital`` raises.

    beside: for what takes long and concerns no other task.
    """
    found = await _standings(job, hospital, notices, beside)
    return await beside.do(lambda: encode_standings(found))


async def _standings(
    job: StudyJob, hospital: Hospital, notices: Notices, beside: Steps
) -> Iterable[StudyStanding]:
    timeout = job.timeout
    if isinstance(job, ProposeStudy):
        plan = Study(hospital.terms, job.name, job.plan)
        await hospital.propose(plan, timeout=timeout, notices=notices)
        return ()
    if isinstance(job, ListStudies):
        return (await hospital.studies(timeout=timeout, notices=notices)).values()
    study = hospital.study(job.name)
    if isinstance(job, ApproveStudy):
        found = await study.approve(
            await beside.do(lambda: _app_of(job, hospital)),
            plan=job.plan,
            contribute=job.contribute,
            opens=job.opens,
            unpinned=job.unpinned,
            timeout=timeout,
            notices=notices,
        )
    elif isinstance(job, WithdrawStudy):
        found = await study.withdraw(timeout=timeout, notices=notices)
    elif isinstance(job, EndStudy):
        found = await study.end(timeout=timeout, notices=notices)
    else:
        assert isinstance(job, ShowStudy)
        found = await study.standing(timeout=timeout, notices=notices)
    return (found,)


def _app_of(job: ApproveStudy, hospital: Hospital) -> GivenApp | None:
    """The app as this process finds it; raises AppOutOfReach, and OtherApp if it finds another."""
    if not job.app:
        return None
    try:
        found = given_app(Path(job.app), Surroundings(hospital.folder / "errors"))
    except MissingFile:
        raise AppOutOfReach(job.app, "there is no such file for it") from None
    except DiskError as error:
        raise AppOutOfReach(job.app, error.reason) from None
    if not hmac.compare_digest(found.digest, job.app_digest):
        raise OtherApp(job.name, job.app, "command", job.app_digest, found.digest)
    return found
