"""An app that a command names by its path: read by the command, and by the agent, which runs it."""

import hmac
from pathlib import Path

from participant.door import ApproveStudy, TrainStudy
from participant.errors import AppOutOfReach, DiskError, MissingFile, OtherApp
from participant.study import GivenApp, Surroundings, given_app


def app_of(job: ApproveStudy | TrainStudy, around: Surroundings) -> GivenApp | None:
    """The app as this process finds it, None where the command names none.

    Raises AppOutOfReach, and OtherApp where the command has read another one: under a unit of
    systemd one path may lead two processes to two files.
    """
    if not job.app:
        return None
    try:
        found = given_app(Path(job.app), around)
    except MissingFile:
        raise AppOutOfReach(job.app, "there is no such file for it") from None
    except DiskError as error:
        raise AppOutOfReach(job.app, error.reason) from None
    if not hmac.compare_digest(found.digest, job.app_digest):
        raise OtherApp(job.name, job.app, "command", job.app_digest, found.digest)
    return found
