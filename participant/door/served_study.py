"""One study of a hospital whose agent runs in another process: its work is done there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from participant.app import Show
from participant.door.notices import Follower
from participant.door.study_messages import (
    ApproveStudy,
    ContributeNumbers,
    DecryptRound,
    EndStudy,
    ShowStudy,
    StudyJob,
    TrainStudy,
    WithdrawStudy,
)
from participant.door.study_results import (
    read_contributed,
    read_decrypted,
    read_standings,
    read_trained,
)
from participant.hospital import Contributed, Decrypted
from participant.network import Notices
from participant.rounds import Question
from participant.statistic import number_file
from participant.study import StudyStanding, Surroundings, given_app
from protocol.errors import Malformed
from protocol.terms import Terms

_SILENT = Notices()
Approve = Callable[[Question], bool]


class Do(Protocol):
    """Has a job done; what it comes to."""

    async def __call__(
        self,
        job: StudyJob,
        notices: Notices,
        *,
        approve: Approve | None = None,
        follower: Follower | None = None,
    ) -> bytes: ...


class ServedStudy:
    """A study by its name. Its methods do as those of ``HospitalStudy``."""

    def __init__(self, name: str, terms: Terms, errors: Path, do: Do) -> None:
        """``ServedHospital.study`` makes one."""
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
        seconds, of_app = _seconds(timeout), self._of_app(app)
        job = ApproveStudy(self.name, plan, contribute, opens, *of_app, unpinned, seconds)
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

    async def contribute(
        self, numbers: str | Path, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Contributed:
        """As HospitalStudy.contribute; the file is read here."""
        path = Path(numbers)
        job = ContributeNumbers(self.name, str(path), number_file(path), _seconds(timeout))
        return read_contributed(await self._do(job, notices))

    async def decrypt(
        self,
        number: int | None = None,
        *,
        approve: Approve,
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> Decrypted:
        """As HospitalStudy.decrypt."""
        job = DecryptRound(self.name, number, _seconds(timeout))
        return read_decrypted(await self._do(job, notices, approve=approve))

    async def train(
        self,
        app: str | Path | None = None,
        *,
        variables: Mapping[str, str],
        user: str | None = None,
        timeout: float | None = None,
        notices: Notices = _SILENT,
        on_event: Callable[[dict[str, Any]], None],
        on_output: Show,
    ) -> int:
        """Follow what the agent trains, or have it train; the last round whose model is here.

        on_event, on_output: as of HospitalStudy.train, for what happens from now on. The agent
        reads the app too, and finds the same there.
        """
        given = tuple(variables.items())
        job = TrainStudy(self.name, *self._of_app(app), given, user or "", _seconds(timeout))
        follower = Follower(on_event, on_output)
        return read_trained(await self._do(job, notices, follower=follower)).finished

    def _of_app(self, app: str | Path | None) -> tuple[str, bytes]:
        """Path and SHA-256 of an app as it is read here; both are empty for none."""
        if app is None:
            return "", b""
        given = given_app(app, Surroundings(self._errors))
        return given.name, given.digest

    def _read(self, data: bytes) -> StudyStanding:
        found = read_standings(data, self._terms)
        if len(found) != 1 or found[0].study.name != self.name:
            raise Malformed("answer", f"it is not how study {self.name} stands")
        return found[0]


def _seconds(timeout: float | None) -> float | None:
    """As it is encoded, whatever kind of number was given."""
    return None if timeout is None else float(timeout)
