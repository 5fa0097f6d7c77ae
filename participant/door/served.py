"""A hospital whose agent runs in another process: its work is done there, and shown here."""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from participant.agent import Steps
from participant.ceremony import CeremonyProgress
from participant.door.client import Line, open_line
from participant.door.judgement import Judgement, read_judgement
from participant.door.messages import (
    AgentStanding,
    CheckKey,
    ExportRecord,
    Failed,
    Finished,
    FromAgent,
    HandKeyOver,
    Job,
    JobWanted,
    JudgeCeremony,
    KeyChecked,
    MakeKey,
    Moved,
    Noticed,
    Part,
    StandingWanted,
    Stopping,
    StopWanted,
    read_facts,
    waiting_of,
)
from participant.door.notices import FOLLOWED, Follower, hear
from participant.door.served_study import ServedStudy
from participant.door.study_messages import Answered, Asked, ListStudies, ProposeStudy
from participant.door.study_results import read_standings
from participant.errors import SaidByAgent
from participant.handover import Wish
from participant.home import VAULT_NAME, Address, epochs_in
from participant.hospital import Checked, Exported
from participant.network import Notices, Traffic
from participant.record import RecordProgress
from participant.rounds import Question
from participant.study import StudyStanding
from participant.waiting import Waiting
from protocol.board import Study
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.key import Epoch
from protocol.terms import Terms

_FRESH_SECONDS = 2.0  # in which what is to be said on a connection is said
_LOOK_SECONDS = 1.0  # after which somebody looks, if nothing comes
_MAX_RESULT_BYTES = 4 << 20
_SILENT = Notices()


@dataclass(frozen=True)
class Asker:
    """The terms, the data folder and a plan's file as they were typed; empty if none was."""

    file: str
    home: str
    plan: str = ""


class Mirror:
    """Where a job is, as the agent said it last; what a ``Session`` says of its only task."""

    done = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.waiting = Waiting("task")
        self._waits_in_statistic = False
        self.index = 0
        self._at_work, self._heard_at = 0.0, 0.0
        self.progress: CeremonyProgress | None = None
        self.reading: RecordProgress | None = None
        self.round_is_open: bool | None = None

    @property
    def at_work_seconds(self) -> float:
        """For how long the agent has been at work on its step, 0 while it waits."""
        return self._at_work and self._at_work + self.clock() - self._heard_at

    def is_statistic(self, study: str) -> bool:
        """Whether a study is one, as far as what is waited for says so."""
        return self._waits_in_statistic and self.waiting.study == study

    def hear(self, moved: Moved) -> None:
        """Take note of where it is now."""
        self.index, self._at_work = moved.member, moved.at_work_seconds
        self._heard_at = self.clock()
        self.round_is_open = moved.round_is_open
        if moved.waits:
            self.waiting = waiting_of(moved.waits)
            self._waits_in_statistic = moved.waits.is_statistic
        if at := moved.ceremony:
            self.progress = CeremonyProgress(*(getattr(at, f) for f in at.__struct_fields__))
        if read := moved.reading:
            self.reading = RecordProgress(read.entries, read.is_all, read.done, read.total)


class ServedHospital:
    """One member of a federation, at work in the agent that runs; no passphrase is needed.

    Its methods do as those of ``Hospital``, and raise SaidByAgent for what went wrong there,
    AgentDenies and DoorClosed.
    """

    is_sending = False  # what is to be sent, the agent sends

    def __init__(
        self,
        terms: Terms,
        address: Address,
        folder: Path,
        asker: Asker,
        line: socket.socket | None = None,
        steps: Steps | None = None,
    ) -> None:
        """``folder``: of the federation. line: to begin with. steps: who asks people, if not a
        thread of its own.
        """
        self._address = address
        self.terms, self.folder, self.steps = terms, folder, steps or Steps()
        self.traffic = Traffic()
        self.mirror = Mirror()
        self._asker, self._line, self._began = asker, line, time.monotonic()

    @property
    def has_key(self) -> bool:
        """Whether there is a key share here."""
        return bool(epochs_in(self.folder / VAULT_NAME))

    @property
    def url(self) -> str:
        """Where the aggregator is now looked for."""
        return self._address.newest.url

    @property
    def name(self) -> str:
        """This hospital's name, once a job has been begun."""
        return self.terms.name_of(self.mirror.index)

    @property
    def index(self) -> int:
        """This hospital's number, once a job has been begun; 0 before."""
        return self.mirror.index

    @property
    def progress(self) -> CeremonyProgress | None:
        """Where the ceremony stands; None before it is known which."""
        return self.mirror.progress

    @property
    def reading(self) -> RecordProgress | None:
        """How much of the board the export has read."""
        return self.mirror.reading

    @property
    def round_is_open(self) -> bool | None:
        """Whether the round is open whose sum is to be decrypted; None if that is not known."""
        return self.mirror.round_is_open

    async def ceremony(self, *, timeout: float | None = None, notices: Notices = _SILENT) -> Epoch:
        """As Hospital.ceremony."""
        found = await self._do(MakeKey(_seconds(timeout)), notices)
        return decode(found, Epoch, "epoch", _MAX_RESULT_BYTES)

    async def hand_over(
        self, wish: Wish | None = None, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Epoch:
        """As Hospital.hand_over."""
        terms = encode(wish.new) if wish else b""
        signatures = wish.signatures if wish else ()
        found = await self._do(HandKeyOver(terms, signatures, _seconds(timeout)), notices)
        return decode(found, Epoch, "epoch", _MAX_RESULT_BYTES)

    async def check_key(
        self, together: bool, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> tuple[Epoch, Checked | None]:
        """As Hospital.check_share and, ``together``, Hospital.check_key."""
        data = await self._do(CheckKey(together, _seconds(timeout)), notices)
        found = decode(data, KeyChecked, "check", _MAX_RESULT_BYTES)
        checked = Checked(
            found.session, found.good, dict(found.wrong), found.missing, found.decrypts
        )
        epoch = decode(found.epoch, Epoch, "epoch", _MAX_RESULT_BYTES)
        return epoch, checked if together else None

    async def judge(
        self, session: str, *, timeout: float, notices: Notices, known: Callable[[str, int], None]
    ) -> Judgement:
        """As Hospital.evidence and its verdict; ``known``: called before that is computed.

        With the ceremony's session, and the number of members whose seeds are known.
        """
        data = await self._do(JudgeCeremony(session, float(timeout)), notices, known)
        return read_judgement(data)

    async def export(
        self, folder: str | Path, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Exported:
        """As Hospital.export; the agent writes the folder."""
        data = await self._do(
            ExportRecord(str(Path(folder).absolute()), _seconds(timeout)), notices
        )
        return decode(data, Exported, "export", _MAX_RESULT_BYTES)

    def study(self, name: str) -> ServedStudy:
        """A study that was proposed under this name, or will be."""
        return ServedStudy(name, self.terms, self.folder / "errors", self._do)

    async def propose(
        self, plan: Study, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> ServedStudy:
        """As Hospital.propose."""
        await self._do(ProposeStudy(plan.name, plan.plan, _seconds(timeout)), notices)
        return self.study(plan.name)

    async def studies(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Mapping[str, StudyStanding]:
        """As Hospital.studies."""
        data = await self._do(ListStudies(_seconds(timeout)), notices)
        return {found.study.name: found for found in read_standings(data, self.terms)}

    async def standing(self) -> AgentStanding:
        """How things stand."""
        async with open_line(self.folder, self._taken()) as line:
            await line.say(StandingWanted())
            found = await line.hear()
        if not isinstance(found, AgentStanding):
            raise Malformed("answer", "it is not how things stand")
        return found

    async def stop(self) -> None:
        """Ask the agent to end; returns once it has said that it does."""
        async with open_line(self.folder, self._taken()) as line:
            await line.say(StopWanted())
            if not isinstance(await line.hear(), Stopping):
                raise Malformed("answer", "it does not end")

    def _taken(self) -> socket.socket | None:
        """The connection to begin with, unless a person has let it wait: the agent hangs up."""
        line, self._line = self._line, None
        if line is not None and time.monotonic() - self._began > _FRESH_SECONDS:
            line.close()
            return None
        return line

    async def _do(
        self,
        job: Job,
        notices: Notices,
        known: Callable[[str, int], None] = lambda session, count: None,
        approve: Callable[[Question], bool] | None = None,
        follower: Follower | None = None,
    ) -> bytes:
        """A job's result; raises SaidByAgent.

        approve: answers in a step what the agent asks. follower: is told of training.
        """
        self.mirror, parts, heard = Mirror(), list[bytes](), deque[FromAgent]()
        async with open_line(self.folder, self._taken()) as line:
            asker = self._asker
            await line.say(JobWanted(job, asker.file, asker.home, asker.plan))
            while True:
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        answer = heard.popleft() if heard else await line.hear()
                except TimeoutError:
                    notices.moved()
                    continue
                if isinstance(answer, Asked) and approve is not None:
                    heard += await self._answer(answer, line, approve)
                elif isinstance(answer, Moved):
                    self.mirror.hear(answer)
                    notices.moved()
                elif isinstance(answer, Noticed) and answer.kind == "evidence":
                    known(*_evidence(read_facts(answer.facts)))
                elif isinstance(answer, Noticed) and answer.kind in FOLLOWED:
                    if follower is not None:
                        follower.hear(answer)
                elif isinstance(answer, Noticed):
                    hear(answer, notices)
                elif isinstance(answer, Part):
                    parts.append(answer.data)
                elif isinstance(answer, Finished):
                    self.traffic.up += answer.bytes_up
                    self.traffic.down += answer.bytes_down
                    return b"".join([*parts, answer.result])
                elif isinstance(answer, Failed):
                    raise SaidByAgent(answer.what, answer.remedy, answer.exit_code)
                else:
                    raise Malformed("answer", "it belongs to no job")

    async def _answer(
        self, asked: Asked, line: Line, approve: Callable[[Question], bool]
    ) -> list[FromAgent]:
        """Say what a person answers, however long it takes; what the agent has said meanwhile.

        Nothing is told then, which would be in the middle of the question. If the job ends, nobody
        waits for the answer any more.
        """
        question = Question(*(getattr(asked, name) for name in asked.__struct_fields__))
        thinking = asyncio.create_task(self.steps.do(lambda: approve(question)))
        heard = list[FromAgent]()
        try:
            while not thinking.done():
                hearing = asyncio.create_task(line.hear())
                try:
                    await asyncio.wait([thinking, hearing], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    hearing.cancel()
                    await asyncio.wait([hearing])
                if not hearing.cancelled():
                    heard.append(hearing.result())
                    if isinstance(heard[-1], Finished | Failed):
                        return heard
        finally:
            thinking.cancel()
        await line.say(Answered(thinking.result() is True))
        return heard


def _evidence(facts: dict[str, Any]) -> tuple[str, int]:
    try:
        return str(facts["session"]), int(facts["known"])
    except (KeyError, TypeError, ValueError):
        raise Malformed("answer", "the facts of 'evidence' are others") from None


def _seconds(timeout: float | None) -> float | None:
    """As it is encoded, whatever kind of number was given."""
    return None if timeout is None else float(timeout)
