"""One study of a hospital whose agent runs in another process: its work is done there."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from participant.door.study_messages import (
    ApproveStudy,
    EndStudy,
    ShowStudy,
    StudyJob,
    WithdrawStudy,
)
from participant.door.study_results import read_standings
from participant.network import Notices
from participant.study import StudyStanding, Surroundings, given_app
from protocol.errors import Malformed
from protocol.terms import Terms

_SILENT = Notices()
Ask = Callable[[StudyJob, Notices], Awaitable[bytes]]


class ServedStudy:
    """A study by its name. Its methods do as those of ``HospitalStudy``."""

    def __init__(self, name: str, terms: Terms, errors: Path, do: Ask) -> None:
        """``ServedHospital.study`` makes one; ``do``: a job, and what it comes to."""
        self.name, self._terms, self._errors, self._do = name, terms, errors, do

    async def standing(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> StudyStanding:
        """As HospitalStudy.standing."""
        return self._read(await self._do(ShowStudy(self.name, _seconds(timeout)), notices))

    async def approve(
        self,
        app: str | Path | None = None,
        *,
        plan: bytes,
        contribute: bool | None = None,
        opens: bool = True,
        unpinned: bool = False,
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> StudyStanding:
        """As HospitalStudy.approve; the agent reads the app too, and finds the same there."""
        path, digest = "", b""
        if app is not None:
            given = given_app(app, Surroundings(self._errors))
            path, digest = given.name, given.digest
        job = ApproveStudy(
            self.name, plan, contribute, opens, path, digest, unpinned, _seconds(timeout)
        )
        return self._read(await self._do(job, notices))

    async def withdraw(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> StudyStanding:
        """As HospitalStudy.withdraw."""
        return self._read(await self._do(WithdrawStudy(self.name, _seconds(timeout)), notices))

    async def end(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> StudyStanding:
        """As HospitalStudy.end."""
        return self._read(await self._do(EndStudy(self.name, _seconds(timeout)), notices))

    def _read(self, data: bytes) -> StudyStanding:
        found = read_standings(data, self._terms)
        if len(found) != 1 or found[0].study.name != self.name:
            raise Malformed("answer", f"it is not how study {self.name} stands")
        return found[0]


def _seconds(timeout: float | None) -> float | None:
    """As it is encoded, whatever kind of number was given."""
    return None if timeout is None else float(timeout)
