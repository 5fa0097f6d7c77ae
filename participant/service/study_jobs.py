"""The commands' jobs about studies, done by the agent that runs."""

import threading
from collections.abc import Iterable

from participant.door import (
    ApproveStudy,
    Ask,
    ContributeNumbers,
    DecryptRound,
    EndStudy,
    ListStudies,
    ProposeStudy,
    ShowStudy,
    StudyJob,
    WithdrawStudy,
    encode_standings,
)
from participant.errors import SessionTaken
from participant.hospital import Contributed, Decrypted, Hospital
from participant.network import Notices
from participant.rounds import Question
from participant.service.person import Person
from participant.service.shared_app import app_of
from participant.service.work import Work
from participant.statistic import Numbers, numbers_in
from participant.study import StudyStanding, Surroundings
from protocol.board import Study
from protocol.encoding import encode
from protocol.messages import study_session


class StudyDesk:
    """Does one job about a study, and raises what the same method of ``Hospital`` raises."""

    def __init__(self, hospital: Hospital, work: Work, notices: Notices, ask: Ask) -> None:
        self._hospital, self._work, self._notices, self._ask = hospital, work, notices, ask

    async def do(self, job: StudyJob) -> bytes:
        """A job's result, encoded."""
        if isinstance(job, ContributeNumbers):
            return encode(await self._contributed(job))
        if isinstance(job, DecryptRound):
            return encode(await self._decrypted(job))
        return encode_standings(await self._standings(job))

    # ── what is said of a study ──

    async def _standings(self, job: StudyJob) -> Iterable[StudyStanding]:
        hospital, timeout, notices = self._hospital, job.timeout, self._notices
        if isinstance(job, ProposeStudy):
            plan = Study(hospital.terms, job.name, job.plan)
            await hospital.propose(plan, timeout=timeout, notices=notices)
            return ()
        if isinstance(job, ListStudies):
            return (await hospital.studies(timeout=timeout, notices=notices)).values()
        study = hospital.study(job.name)
        if isinstance(job, ApproveStudy):
            try:
                return (await self._approved(job),)
            finally:  # it may be kept already, whoever has hung up
                await self._work.look_anew(job.name)
        if isinstance(job, WithdrawStudy):
            return (await study.withdraw(timeout=timeout, notices=notices),)
        if isinstance(job, EndStudy):
            return (await study.end(timeout=timeout, notices=notices),)
        assert isinstance(job, ShowStudy)
        return (await study.standing(timeout=timeout, notices=notices),)

    async def _approved(self, job: ApproveStudy) -> StudyStanding:
        around = Surroundings(self._hospital.folder / "errors")
        return await self._hospital.study(job.name).approve(
            await self._work.hashing.do(lambda: app_of(job, around)),
            plan=job.plan,
            contribute=job.contribute,
            opens=job.opens,
            unpinned=job.unpinned,
            timeout=job.timeout,
            notices=self._notices,
        )

    # ── what a round is given, and what comes out ──

    async def _contributed(self, job: ContributeNumbers) -> Contributed:
        numbers = await self._numbers(job)
        study = self._hospital.study(job.name)
        return await study.contribute(numbers, timeout=job.timeout, notices=self._notices)

    async def _numbers(self, job: ContributeNumbers) -> Numbers:
        """What is in a file; what phe encrypted takes long to open, and ends with the job."""
        keys = await self._hospital.steps.do(self._hospital.member.keys.read)
        n, is_over = keys.current.epoch.joint_key().n, threading.Event()

        def go_on() -> None:
            if is_over.is_set():
                raise InterruptedError

        try:
            return await self._work.reading.do(lambda: numbers_in(job.data, job.file, n, go_on))
        finally:
            is_over.set()

    async def _decrypted(self, job: DecryptRound) -> Decrypted:
        """Raises SessionTaken where the agent trains in that study: it opens the sum itself."""
        if self._work.trains(job.name):
            raise SessionTaken(study_session(job.name))
        person = Person(self._ask, self._answered)
        study = self._hospital.study(job.name)
        return await study.decrypt_once(person.answers, job.number, job.timeout, self._notices)

    def _answered(self, question: Question, agrees: bool) -> None:
        """Go on; what a person does not agree to is not done without them either."""
        if not agrees:
            self._work.leave_alone(f"study/{question.round_name}")
        self._work.wake()
