"""The commands' jobs, done by the agent that runs: as ``Hospital`` does them, but side by side."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import astuple
from pathlib import Path
from typing import TypeVar

from participant.agent import Steps, Task
from participant.ceremony import CeremonyTask
from participant.disk import Storage, hold
from participant.door import (
    Ask,
    CeremonyAt,
    CheckKey,
    ExportRecord,
    HandKeyOver,
    Job,
    JudgeCeremony,
    Judgement,
    KeyChecked,
    MakeKey,
    Moved,
    Noticed,
    ReadingAt,
    StudyJob,
    Tell,
    TrainStudy,
    facts_of,
    telling_all,
    waits_of,
)
from participant.handover import Wish
from participant.hospital import Hospital
from participant.network import Notices
from participant.record import RecordTask
from participant.rounds import DecryptionTask
from participant.service.study_jobs import StudyDesk
from participant.service.training_job import train
from participant.service.work import Work
from protocol.encoding import decode, encode
from protocol.messages import MAX_TERMS_BYTES
from protocol.terms import Terms

T = TypeVar("T", bound=Task)


class InService(Hospital):
    """One job's hospital, whose tasks are done by the agent of all."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.member, work.steps)
        self._work = work

    @contextlib.asynccontextmanager
    async def holding(
        self,
        command: str,
        timeout: float | None,
        lock: Callable[[Path, str], contextlib.AbstractContextManager[bool | None]] = hold,
    ) -> AsyncIterator[bool]:
        """The service holds the folder; it can be written to."""
        self.session = self.task = None
        yield True

    async def work_on(
        self,
        make: Callable[[], T],
        timeout: float | None,
        notices: Notices,
        storage: Storage | None = None,
    ) -> T:
        """A task, once it is done."""

        def made() -> T:
            self.task = task = make()
            return task

        self.session = self._work.session
        try:
            return await self._work.do(made, timeout, notices)
        finally:
            self.session = self._work.session

    def moved(self) -> Moved:
        """Where the job is."""
        work, index = self._work, self.member.index
        course = work.course_of(self.task)
        session = work.session
        at_work = session.at_work_seconds if session else 0.0
        if course is None:
            return Moved(index, None, at_work)
        task, waits = course.task, waits_of(work.waiting(course), work.is_statistic)
        ceremony = reading = None
        if isinstance(task, CeremonyTask) and (found := task.progress):
            ceremony = CeremonyAt(*astuple(found))
        if isinstance(task, RecordTask):
            reading = ReadingAt(*astuple(task.progress))
        is_open = task.is_open if isinstance(task, DecryptionTask) else None
        return Moved(index, waits, at_work, ceremony, reading, is_open)


async def do_job(job: Job, work: Work, tell: Tell, ask: Ask) -> bytes:
    """A job's result, encoded; raises what the same method of ``Hospital`` raises."""
    hospital = InService(work)
    notices = telling_all(tell, lambda: tell(hospital.moved()))
    tell(hospital.moved())
    if isinstance(job, MakeKey):
        return encode(await hospital.ceremony(timeout=job.timeout, notices=notices))
    if isinstance(job, HandKeyOver):
        wish = wish_of(job)
        return encode(await hospital.hand_over(wish, timeout=job.timeout, notices=notices))
    if isinstance(job, CheckKey):
        return encode(await _checked(job, hospital, notices))
    if isinstance(job, JudgeCeremony):
        return await _judged(job, hospital, notices, tell)
    if isinstance(job, TrainStudy):
        return encode(await train(job, hospital, work, notices, tell))
    if isinstance(job, StudyJob):
        return await StudyDesk(hospital, work, notices, ask).do(job)
    assert isinstance(job, ExportRecord)
    found = await hospital.export(job.folder, timeout=job.timeout, notices=notices)
    return encode(found)


def wish_of(job: HandKeyOver) -> Wish | None:
    """What is to be handed over to whom; raises Malformed for what are no terms."""
    if not job.terms:
        return None
    return Wish(decode(job.terms, Terms, "terms", MAX_TERMS_BYTES), job.signatures)


async def _checked(job: CheckKey, hospital: Hospital, notices: Notices) -> KeyChecked:
    epoch = await hospital.steps.do(hospital.check_share)
    if not job.together:
        return KeyChecked(encode(epoch), "", (), (), (), False)
    found = await hospital.check_key(timeout=job.timeout, notices=notices)
    return KeyChecked(
        encode(epoch),
        found.session,
        found.good,
        tuple(found.wrong.items()),
        found.missing,
        found.decrypts,
    )


async def _judged(job: JudgeCeremony, hospital: Hospital, notices: Notices, tell: Tell) -> bytes:
    task = await hospital.evidence(job.session, timeout=job.timeout, notices=notices)
    facts = {"session": task.session, "known": len(task.disclosed)}
    tell(Noticed("evidence", facts_of(facts)))
    # In a thread of its own: it computes as long as all members did, and the agent goes on.
    return await Steps().do(lambda: Judgement.of(task).encoded())
